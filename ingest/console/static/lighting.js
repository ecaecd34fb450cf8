// What is selected, in the list and on the map. Without it the list's own boxes still work.
"use strict";
(() => {
  const form = document.getElementById("switch");
  const picked = document.getElementById("picked");
  if (!form || !picked) return;
  const whole = document.getElementById("whole");

  function tell() {
    const n = form.querySelectorAll("[name=lamps]:checked, input[type=hidden][name=lamps]").length;
    picked.textContent = whole?.checked || !n ? "" : form.dataset.chosen.replace("{n}", n);
    for (const key of form.querySelectorAll(".keys button")) key.disabled = !n && !whole?.checked;
  }

  form.addEventListener("change", (event) => {
    if (event.target.name === "lamps" && event.target.checked && whole) whole.checked = false;
    tell();
  });
  // The map names what is tapped; a hidden field carries it.
  document.addEventListener("wayside:pick", (event) => {
    const { id, isPicked } = event.detail;
    if (whole) whole.checked = false;
    form.querySelector(`input[type=hidden][name=lamps][value="${CSS.escape(id)}"]`)?.remove();
    if (isPicked) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "lamps", value: id });
      form.append(field);
    }
    tell();
  });
  document.addEventListener("wayside:refreshed", tell);
  window.addEventListener("pageshow", tell);
  tell();
})();
