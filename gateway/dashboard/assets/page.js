// What pages do besides: copy a text to the clipboard, ask before a form that can't be undone, send a form once, filter on
// change, read a file into a field.
// Everything is delegated: a live page replaces its parts.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source);
  }
});
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

// A second click must not make a second key. What was given up, or is shown again by "back", can be sent anew.
const ONCE = 10_000;
let sent = new WeakMap();
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (Date.now() - (sent.get(event.target) || 0) < ONCE) event.preventDefault();
  else sent.set(event.target, Date.now());
});
addEventListener("pageshow", () => { sent = new WeakMap(); });

// On a phone the navigation is a bar that scrolls: it begins with the page that is shown.
document.querySelector(".rail [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// A filter is sent when it is chosen with the pointer. With the arrow keys each option on the way is a change: then it is
// sent at Enter, or when the field is left. The filtered page has the focus where it was.
let keyed = null;
const send = (form, focused) => {
  sessionStorage.focused = focused?.name || "";
  form.requestSubmit();
};
if (sessionStorage.focused) {
  document.querySelector(`[data-filter] [name="${CSS.escape(sessionStorage.focused)}"]`)?.focus();
  sessionStorage.removeItem("focused");
}
document.addEventListener("pointerdown", () => { keyed = null; });
document.addEventListener("keydown", (event) => {
  if (!event.target.matches("[data-filter] select")) return;
  if (event.key === "Enter" && keyed) { event.preventDefault(); send(event.target.form, event.target); }
  else if (event.key === "Tab" || event.key === "Shift") return;
  else if (keyed?.field !== event.target) keyed = { field: event.target, value: event.target.value };
});
document.addEventListener("focusout", (event) => {
  const { field, value } = keyed || {};
  if (field !== event.target) return;
  keyed = null;
  if (field.value !== value) send(field.form, event.relatedTarget);
});
document.addEventListener("change", (event) => {
  if (event.target.form?.hasAttribute("data-filter") && !keyed) send(event.target.form, event.target);
});

// A file that is chosen or dropped becomes the field's text: it is sent as if it had been pasted.
const LARGEST_FILE = 8 * 1024 * 1024;
const read = async (file, field) => {
  if (!file) return;
  field.setCustomValidity(file.size > LARGEST_FILE ? "this file is larger than 8 MB" : "");
  if (field.reportValidity()) field.value = await file.text();
};
document.querySelectorAll("[data-file-only]").forEach((each) => { each.hidden = false; });
document.addEventListener("change", (event) => {
  const field = event.target.dataset.file;
  if (field) read(event.target.files[0], document.getElementById(field));
});
document.addEventListener("dragover", (event) => {
  if (event.target.closest("[data-drop]")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const field = event.target.closest("[data-drop]");
  if (!field || !event.dataTransfer.files.length) return;
  event.preventDefault();
  read(event.dataTransfer.files[0], field);
});
