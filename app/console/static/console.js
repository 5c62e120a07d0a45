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
