// Fetches the page again when the gateway says that something on it has changed, and replaces the parts marked with
// `data-refresh` that differ. Without it the page is complete, only not live.
const topics = new Set((document.body.dataset.topics || "").split(" ").filter(Boolean));
const lamp = document.getElementById("live");
// A page is fetched at once, and then again every other second at most: rendering it takes time from completions. If
// many are open, the gateway asks for longer pauses.
const shortest = document.querySelector("[data-newest]") ? 5000 : 2000;
const LONGEST = 40_000;  // longer than the gateway takes to give up
const RETRY = 5000;
let pause = shortest, etag = null, busy = false, due = false, at = new Date();

const clock = () => at.toISOString().slice(11, 19);
const say = (state, text) => {
  if (!lamp) return;
  lamp.hidden = false;
  lamp.querySelector(".dot").className = state === "live" ? "dot" : "dot warn-dot";
  lamp.querySelector("span:last-child").textContent = text;
};

// What a person types into, or reads with the cursor, stays.
const busyWith = (part) => {
  const active = document.activeElement;
  const typing = active && part.contains(active) && active.matches("input, select, textarea");
  return typing || part.querySelector(".cursor-tip");
};

const replace = (fresh) => {
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.outerHTML === part.outerHTML || busyWith(part)) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const scrolled = [...part.querySelectorAll(".scroll, ul")].map((each) => each.scrollLeft);
    const adopted = document.adoptNode(other);
    part.replaceWith(adopted);
    adopted.querySelectorAll(".scroll, ul").forEach((each, i) => { each.scrollLeft = scrolled[i] || 0; });
    if (focused) [...adopted.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused)?.focus();
  }
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
  newer.querySelector("b").textContent = known < 0 ? `${count} or more newer` : `${count} newer`;
};

const refresh = async () => {
  if (document.hidden) return;  // it is fetched when it is seen again
  if (busy) { due = true; return; }
  busy = true; due = false;
  try {
    const headers = { "x-refresh": "1", ...(etag && { "if-none-match": etag }) };
    const answer = await fetch(location.href, { headers, redirect: "manual", signal: AbortSignal.timeout(LONGEST) });
    pause = Math.max(shortest, 1000 * answer.headers.get("x-pause-seconds"));
    if (answer.type === "opaqueredirect") { location.reload(); return; }
    if (answer.headers.has("x-again")) due = true;  // rendered a moment ago for somebody else, or before what has changed
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(answer.status);
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      etag = answer.headers.get("etag");
    }
    at = new Date();
    say("live", "live");
  } catch {
    due = true;  // nobody tells again of what it would have shown
    pause = Math.max(pause, RETRY);
    say("away", `figures of ${clock()} UTC: the gateway or its database does not answer`);
  } finally {
    setTimeout(() => { busy = false; if (due) refresh(); }, pause);
  }
};

// The stream is open while the page is seen: a browser has six connections for all of its tabs. After a gap, whatever
// made it, the page is fetched, since what happened meanwhile was told to nobody.
const ASLEEP = 90_000;
let events = null, retrying = 0, ticked = Date.now();

const close = () => {
  clearTimeout(retrying);
  events?.close();
  events = null;
};
const open = () => {
  close();
  let missed = false;
  events = new EventSource(document.body.dataset.events);
  events.addEventListener("open", () => {
    say("live", "live");
    if (missed) refresh();
    missed = false;
  });
  events.addEventListener("changed", (event) => {
    if (JSON.parse(event.data).topics.some((topic) => topics.has(topic))) refresh();
  });
  events.addEventListener("error", () => {
    missed = true;
    say("away", `figures of ${clock()} UTC: not live now`);
    // The browser goes on trying only if the connection broke, not after an error: a restart, or the session's end.
    if (events?.readyState === EventSource.CLOSED) retrying = setTimeout(reopen, RETRY);
  });
};
const reopen = () => { open(); refresh(); };

if (topics.size) {
  if (!document.hidden) open();
  addEventListener("visibilitychange", () => { if (document.hidden) close(); else reopen(); });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) reopen(); });
  // A machine that slept has a stream that nobody writes to any more.
  setInterval(() => {
    const asleep = Date.now() - ticked > ASLEEP;
    ticked = Date.now();
    if (asleep && !document.hidden) reopen();
  }, ASLEEP / 9);
}
