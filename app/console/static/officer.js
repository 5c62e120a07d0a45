// The officer's pages: print one, copy a secret that is shown once.
"use strict";
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.copied;
    document.getElementById("told").textContent = button.dataset.copied;
  });
}
// A file is dropped onto the form, and the form tells how much of it has been sent.
for (const form of document.querySelectorAll("[data-upload]")) {
  const zone = form.querySelector("[data-drop]");
  const input = form.querySelector("[type=file]");
  const sending = form.querySelector("[data-sending]");
  const broken = form.querySelector("[data-broken]");
  const show = () => {
    const chosen = form.querySelector("[data-chosen]");
    chosen.hidden = !input.files.length;
    chosen.textContent = input.files.length ? input.files[0].name : "";
  };
  input.addEventListener("change", show);
  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    show();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    const button = form.querySelector("button");
    const end = (said) => {
      button.disabled = false;
      sending.hidden = true;
      broken.hidden = !said;
      broken.textContent = said;
    };
    button.disabled = true;
    sending.hidden = false;
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      sending.querySelector("progress").value = total ? 100 * loaded / total : 0;
    });
    request.addEventListener("error", () => end(broken.dataset.broken));
    request.addEventListener("load", () => {
      const where = request.getResponseHeader("HX-Redirect");
      if (where) { location.assign(where); return; }
      // Refused: the page that says why takes this one's place; what it says is ours.
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const fault = page.querySelector(".fault:not([hidden]), .verdict p");
      end(fault ? fault.textContent : broken.dataset.broken);
    });
    request.open("POST", form.action);
    request.setRequestHeader("HX-Request", "true");
    request.send(new FormData(form));
  });
}
