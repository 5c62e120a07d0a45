// The desk's keys: "/" a new person, 1 2 3 what they said, Z takes back. Printed where they act.
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = event.target.matches("input:not([type=radio]), textarea, select");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    const ask = document.getElementById("who");
    if (ask) { ask.focus(); ask.select(); } else { location.assign("/desk"); }
  } else if (!typing && (/^[123]$/.test(event.key) || /^Digit[123]$/.test(event.code))) {
    // Where digits need Shift, as on French keyboards, the key itself counts.
    const digit = /^[123]$/.test(event.key) ? event.key : event.code.at(-1);
    const choice = document.querySelector(`[data-key="${digit}"]`);
    if (choice) { event.preventDefault(); choice.checked = true; choice.focus(); }
  } else if (!typing && event.key.toLowerCase() === "z") {
    document.querySelector("[data-take-back]")?.click();
  }
});
