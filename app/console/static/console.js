// What every page does: say aloud what it found, and send the keyboard where it belongs.
"use strict";
function settle() {
  const said = document.querySelector("[data-say]");
  const told = document.getElementById("told");
  if (said && told.textContent !== said.dataset.say) told.textContent = said.dataset.say;
  const next = document.querySelector("[data-focus]");
  if (next) { next.removeAttribute("data-focus"); next.focus(); }
}
document.addEventListener("htmx:after:swap", settle);
settle();
// Escape folds what was unfolded around the keyboard, and gives it the summary.
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.activeElement.closest("details[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
// A form that waits says so, and that nothing is sure before the answer is there. The same button
// pressed again sends nothing more: the first answer may hold what is shown only once.
let waiting = null;
let pressed;
let timers = [];
function say(what) {
  const busy = document.getElementById("busy");
  const told = document.getElementById("told");
  const before = busy.textContent;
  busy.textContent = what ? busy.dataset[what] : "";
  busy.hidden = !what;
  if (what || told.textContent === before) told.textContent = busy.textContent;
}
function rest() {
  timers.forEach(clearTimeout);
  waiting = null;
  say("");
}
// A form that leaves the page is sent once the registry has answered at all: where it does not, what
// was typed would be gone with the page.
let there = null;
async function reach(form, submitter) {
  const own = timers;
  try {
    await fetch(document.querySelector("link[rel=icon]").href, { cache: "no-store" });
  } catch {
    if (timers === own) { rest(); say("broken"); }
    return;
  }
  if (timers !== own || form !== waiting) return;
  there = form;
  form.requestSubmit(submitter);
}
document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (target.matches("[data-upload], [data-download]")) return;
  if (target === there) { there = null; return; }
  if (target === waiting && submitter === pressed) {
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  rest();
  waiting = target;
  pressed = submitter;
  timers = [setTimeout(say, 400, "busy"), setTimeout(() => { say("slow"); pressed = undefined; }, 8000)];
  if (target.getAttribute("method") === "post" && !target.hasAttribute("hx-post")) {
    event.preventDefault();
    reach(target, submitter);
  }
}, true);  // before htmx, which would send it
document.addEventListener("htmx:finally:request", ({ target, detail }) => {
  if (target === waiting && !detail.ctx.hx?.redirect) rest();
});
document.addEventListener("htmx:error", ({ target }) => {
  if (target === waiting) { rest(); say("broken"); }
});
addEventListener("pageshow", ({ persisted }) => { if (persisted) rest(); });
// What was typed goes along into the other language: kept for one page, and never a password.
const typed = "input:not([type=hidden], [type=password], [type=file]), select, textarea";
const fields = () => [...document.querySelectorAll(`main :is(${typed})`)].filter(({ name }) => name);
const changed = (field) => field.matches("select") || field.value !== field.defaultValue
  || field.checked !== field.defaultChecked;
document.querySelector(".languages")?.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const values = fields().filter(changed)
    .map(({ name, type, value, checked }) => ({ name, type, value, checked }));
  sessionStorage.setItem("typed", JSON.stringify({ path: location.pathname, values }));
});
const kept = JSON.parse(sessionStorage.getItem("typed"));
sessionStorage.removeItem("typed");
if (kept?.path === location.pathname && new URLSearchParams(location.search).has("lang")) {
  const free = fields();
  for (const { name, type, value, checked } of kept.values) {
    const choice = type === "checkbox" || type === "radio";
    const at = free.findIndex((one) => one.name === name && (!choice || one.value === value));
    if (at < 0) continue;
    const [field] = free.splice(at, 1);
    if (choice) field.checked = checked; else field.value = value;
  }
}
