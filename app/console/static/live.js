// A part of a page that changes while one looks, and is heard of no more, says so and fades: what
// was true may not be. It is asked for again until it comes.
"use strict";
const LIVE = "[hx-sse\\:connect], [hx-trigger^='every ']";
const AGAIN = 2000;
const stale = document.getElementById("stale");
const clock = { timeZone: stale.dataset.zone, timeStyle: "medium" };
let heard = Date.now();
let ended = false;
const part = () => ended ? null : document.querySelector(LIVE);
function fade() {
  const live = part();
  if (!live || live.classList.contains("faded")) return;
  const since = new Date(heard).toLocaleTimeString(document.documentElement.lang, clock);
  stale.textContent = stale.dataset.says.replace("{time}", since);
  live.before(stale);
  live.classList.add("faded");
  stale.hidden = false;
}
function hear() {
  heard = Date.now();
  stale.hidden = true;
  document.querySelector(".faded")?.classList.remove("faded");
}
// Four times a second is told, or as often as is asked.
function look() {
  const live = part();
  if (!live || document.hidden) return;
  const every = parseFloat(live.getAttribute("hx-trigger")?.slice(6)) || 1;
  if (Date.now() - heard > 2500 * every + 2500) fade();
}
setInterval(look, 1000);
const mine = ({ detail }) => detail.ctx?.sourceElement?.matches(LIVE);
function lose(event) {
  if (!mine(event)) return;
  const live = event.detail.ctx.sourceElement;
  fade();
  // What could not begin does not begin again by itself.
  const path = live.getAttribute("hx-sse:connect");
  if (path && !live._htmx?.sse) setTimeout(() => htmx.ajax("GET", path, { source: live }), AGAIN);
}
document.addEventListener("htmx:error", lose);
document.addEventListener("htmx:response:error", lose);
document.addEventListener("htmx:after:request", (event) => {
  if (mine(event) && event.detail.ctx.response.status < 400) hear();
});
document.addEventListener("htmx:sse:error", fade);
document.addEventListener("htmx:sse:after:message", hear);
document.addEventListener("htmx:sse:close", ({ detail }) => {
  if (detail.reason === "message") { hear(); ended = true; }
});
// Whoever is signed in no more is led away by the page itself.
document.addEventListener("htmx:sse:after:connection", ({ detail }) => {
  if (detail.connection.status === 204) location.reload();
});
