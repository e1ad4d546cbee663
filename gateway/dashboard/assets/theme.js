// The theme follows the system until a person chooses; the choice is kept in this browser.
document.documentElement.dataset.js = "";  // what needs JavaScript is shown, what replaces it is not
const kept = localStorage.getItem("theme");
if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme")?.addEventListener("click", () => {
    const chosen = document.documentElement.dataset.theme;
    const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    localStorage.setItem("theme", document.documentElement.dataset.theme = dark ? "light" : "dark");
  });
});
