// The question is wholly in the URL: each move of a slider changes it, and the server's answer is put in place. An
// answer that is not complete yet is fetched again. If none comes, the last figures stay.
const form = document.getElementById("ask"), away = document.getElementById("away");
const sliders = [...form.querySelectorAll("input[type=range]")];
let timer = 0, asking = new AbortController();

const question = () => {
  const query = new URLSearchParams({ days: form.elements.days.value });
  for (const each of sliders) {
    if (each.value !== each.dataset.now) query.set(each.id, each.dataset.steps.split(" ")[each.value]);
  }
  const policy = form.elements.policy;
  if (policy.value !== policy.dataset.now) query.set("policy", policy.value);
  const rule = form.elements.without_rule;
  if (rule?.value) query.set("without_rule", rule.value);
  const models = [...form.querySelectorAll("input[name=model]")], chosen = models.filter((each) => each.checked);
  if (chosen.length < models.length) for (const each of chosen) query.append("model", each.value);
  return query;
};

const show = (slider) => {
  const text = slider.dataset.labels.split(" ")[slider.value];
  document.getElementById(`${slider.id}-out`).textContent = text;
  slider.setAttribute("aria-valuetext", text);
};

const say = (text) => {
  away.hidden = !text;
  away.querySelector("span").textContent = text;
};

const replace = (fresh) => {
  const place = document.getElementById("answer");
  if (!fresh || place.querySelector("dialog[open]")) return;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset : {};
  place.replaceWith(document.adoptNode(fresh));
  if (focused.open) fresh.querySelector("[data-open]")?.focus();
  if (focused.copy) fresh.querySelector("[data-copy]")?.focus();
};

const ask = async () => {
  asking.abort();
  const mine = asking = new AbortController();
  const place = document.getElementById("answer");
  const slow = setTimeout(() => place.setAttribute("aria-busy", "true"), 300);
  let again = 0;
  try {
    const url = `${form.dataset.answer}?${question()}`;
    const answer = await fetch(url, { signal: mine.signal, redirect: "manual" });
    if (answer.type === "opaqueredirect") { location.reload(); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) {
      replace(fresh.getElementById("answer"));
      say("");
      if (Number(document.getElementById("answer").dataset.done) < 1) again = 500;
    } else {
      const told = ["main h1", "main p"].map((each) => fresh.querySelector(each)?.textContent.trim()).filter(Boolean);
      say(told.join(". ") || "The gateway does not answer.");
      again = answer.status >= 500 ? 3000 : 0;
    }
  } catch (error) {
    if (error.name === "AbortError") return;
    say("The gateway does not answer: these are the last figures.");
    again = 3000;
  } finally {
    clearTimeout(slow);
    if (mine === asking) document.getElementById("answer").removeAttribute("aria-busy");
  }
  if (again && mine === asking) timer = setTimeout(ask, again);
};

const changed = (pause) => {
  clearTimeout(timer);
  history.replaceState(null, "", `?${question()}`);
  for (const each of document.querySelectorAll("[data-days]")) {
    const query = question();
    query.set("days", each.dataset.days);
    each.href = `?${query}`;
  }
  timer = setTimeout(ask, pause);
};

form.addEventListener("input", (event) => {
  if (event.target.type === "range") show(event.target);
  const boxes = form.querySelectorAll("input[name=model]");
  if (event.target.name === "model" && ![...boxes].some((each) => each.checked)) event.target.checked = true;
  changed(200);
});
form.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open], [data-close]");
  if (button?.dataset.open) document.getElementById(button.dataset.open).showModal();
  else if (button) button.closest("dialog").close();
});
for (const each of sliders) show(each);
ask();
