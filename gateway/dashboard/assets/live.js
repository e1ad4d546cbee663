// Fetches the page again when the gateway says that something on it has changed, and replaces the parts marked with
// `data-refresh` that differ. Without it the page is complete, only not live.
const topicsOf = (page) => new Set((page.body.dataset.topics || "").split(" ").filter(Boolean));
let topics = topicsOf(document);
const lamp = document.getElementById("live");
// A page is fetched at once, and then again every other second at most: rendering it takes time from completions. If
// many are open, the gateway asks for longer pauses.
const shortest = document.querySelector("[data-newest]") ? 5000 : 2000;
const LONGEST = 40_000;  // longer than the gateway takes to give up
const RETRY = 5000;
const SLOW = 5000;
const SILENT = 40_000;  // the gateway says something every 15 s
let pause = shortest, etag = null, busy = false, due = false, at = new Date();
let events = null, retrying = 0, heard = 0, later = 0, failed = false;

const clock = () => at.toISOString().slice(11, 19);
const say = (problem) => {
  if (!lamp) return;
  lamp.hidden = false;
  lamp.querySelector(".dot").className = problem ? "dot warn-dot" : "dot";
  lamp.querySelector("span:last-child").textContent = problem ? `figures of ${clock()} UTC: ${problem}` : "live";
};
const sayWhetherLive = () => say(
  failed ? "the gateway or its database does not answer" : events?.readyState === EventSource.OPEN ? "" : "not live now",
);

// What a person has typed or chosen stays until it is sent; what they choose from, mark, press, or read with the cursor,
// until they have left it for a while.
const LEFT = 20_000;
let touched = 0;
for (const kind of ["pointermove", "keydown"]) {
  addEventListener(kind, ({ target }) => { if (target.closest?.("select, [data-cursor]")) touched = Date.now(); });
}
// A click needs the element that was pressed until it is let go.
let pressed = null;
addEventListener("pointerdown", ({ target }) => { pressed = target; touched = Date.now(); });
for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, () => setTimeout(() => { pressed = null; }));
document.addEventListener("selectionchange", () => { touched = Date.now(); });
const OPEN = CSS.supports("selector(:open)") ? "select:open" : "select:not(select)";
const isChosen = (select) => [...select.options].some((each) => each.selected !== each.defaultSelected);
const busyWith = (part) => {
  const active = part.contains(document.activeElement) ? document.activeElement : null, marked = getSelection();
  if (active?.matches("input, textarea") || (active?.matches("select") && isChosen(active)) || active?.matches(OPEN)) return true;
  if (Date.now() - touched > LEFT) return false;
  return active?.matches("select") || part.querySelector(".cursor-tip") || part.contains(pressed)
    || (!marked.isCollapsed && part.contains(marked.anchorNode));
};

// What the new part gets from the old one: how far it is scrolled, what is unfolded, and the focus.
const FOCUSABLE = "a[href], button, select, summary, [tabindex]";
const take = (part, adopted) => {
  const pairs = (selector) => {
    const others = adopted.querySelectorAll(selector);
    return [...part.querySelectorAll(selector)].map((each, i) => [each, others[i]]).filter(([, other]) => other);
  };
  const active = document.activeElement, href = active.getAttribute("href");
  const focused = part.contains(active) && (
    (href && adopted.querySelector(`a[href="${CSS.escape(href)}"]`))
    || pairs(FOCUSABLE).find(([each]) => each === active)?.[1]);
  const scrolled = pairs(".scroll, ul").map(([each, other]) => [other, each.scrollLeft]);
  for (const [each, other] of pairs("details")) other.open = each.open;
  part.replaceWith(adopted);
  for (const [other, left] of scrolled) other.scrollLeft = left;
  if (focused) focused.focus({ preventScroll: true });
};

const replace = (fresh) => {
  clearTimeout(later);
  topics = topicsOf(fresh);
  let waits = false;
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.outerHTML === part.outerHTML) continue;
    if (busyWith(part)) waits = true;
    else take(part, document.adoptNode(other));
  }
  if (waits) later = setTimeout(() => replace(fresh), 1000);
  announce(fresh);
};

// Rows of a list are never inserted under the reader's cursor: how many are newer is said, and a link shows them.
const announce = (fresh) => {
  const list = document.querySelector("[data-newest]"), newer = document.getElementById("newer");
  const other = fresh.querySelector("[data-newest]");
  if (!list || !newer || !other) return;
  const rows = [...other.querySelectorAll("tr[data-row]")].map((row) => row.dataset.row);
  const known = rows.indexOf(list.dataset.newest);
  const count = known < 0 ? rows.length : known;
  newer.hidden = count === 0;
  newer.querySelector("b").textContent = known < 0 && (list.dataset.newest || count >= 50) ? `${count} or more newer` : `${count} newer`;
};

const refresh = async () => {
  if (document.hidden) return;  // it is fetched when it is seen again
  if (busy) { due = true; return; }
  busy = true; due = false;
  const slow = setTimeout(() => say("waiting for the gateway or its database"), SLOW);
  try {
    const headers = { "x-refresh": "1", ...(etag && { "if-none-match": etag }) };
    const answer = await fetch(location.href, { headers, redirect: "manual", signal: AbortSignal.timeout(LONGEST) });
    pause = Math.max(shortest, 1000 * answer.headers.get("x-pause-seconds"));
    // Not the 404 of a proxy that waits for the gateway: what is shown is better than that.
    const isGone = answer.status === 404 && answer.headers.has("x-dashboard");
    const isOther = answer.type === "opaqueredirect" || (answer.ok && "away" in document.body.dataset);
    if (isGone || isOther) { location.reload(); return; }
    if (answer.headers.has("x-again")) due = true;  // rendered a moment ago for somebody else, or before what has changed
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(answer.status);
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      etag = answer.headers.get("etag");
    }
    at = new Date();
    failed = false;
    sayWhetherLive();
  } catch {
    due = true;  // nobody tells again of what it would have shown
    pause = Math.max(pause, RETRY);
    failed = true;
    sayWhetherLive();
  } finally {
    clearTimeout(slow);
    setTimeout(() => { busy = false; if (due) refresh(); }, pause);
  }
};

// The stream is open while the page is seen: a browser has six connections for all of its tabs. Whenever it opens, the
// page is fetched: what happened since it was rendered, or while there was no stream, was told to nobody.
const close = () => {
  clearTimeout(retrying);
  events?.close();
  events = null;
};
const open = () => {
  close();
  heard = Date.now();
  events = new EventSource(document.body.dataset.events);
  events.addEventListener("open", () => {
    heard = Date.now();
    sayWhetherLive();
    refresh();
  });
  events.addEventListener("ping", () => { heard = Date.now(); });
  events.addEventListener("signed-out", () => location.reload());
  events.addEventListener("changed", (event) => {
    heard = Date.now();
    if (JSON.parse(event.data).topics.some((topic) => topics.has(topic))) refresh();
  });
  events.addEventListener("error", () => {
    sayWhetherLive();
    // The browser goes on trying only if the connection broke, not after an error: a restart, or the session's end.
    if (events?.readyState !== EventSource.CLOSED) return;
    retrying = setTimeout(open, RETRY);
    refresh();
  });
  if (lamp && !lamp.hidden) sayWhetherLive();
};

if (topics.size) {
  if (!document.hidden) open();
  addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  // A stream that nobody writes to any more: the machine slept, or something between swallows what is sent.
  setInterval(() => {
    if (!events || Date.now() - heard <= SILENT) return;
    open();
    refresh();  // the stream may not open, nor fail, for minutes
  }, SILENT / 4);
}
