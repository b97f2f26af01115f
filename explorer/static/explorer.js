// What the page does by itself: the address, light and dark, uploads, copying.
(() => {
  "use strict";

  // What is set goes into the address; until that was read, nothing is set by a person.
  const keep = (name, value) => {
    if (!window.explorer.ready) return;
    const address = new URL(window.location.href);
    if (value === null || value === undefined || typeof value === "object") return;
    address.searchParams.set(name, String(value));
    window.history.replaceState(window.history.state, "", address);
  };

  const dark = () => document.body.classList.contains("dark");
  const wear = (isDark) => {
    document.body.classList.toggle("dark", isDark);
    document.documentElement.style.colorScheme = isDark ? "dark" : "light";
    const button = document.getElementById("theme-switch");
    if (button) {
      button.setAttribute("aria-pressed", String(isDark));
      button.textContent = isDark ? "Light" : "Dark";
    }
  };
  const remembered = () => {
    try { return window.localStorage.getItem("explorer-theme"); } catch { return null; }
  };

  // Give a value to one of gradio's text boxes as if it had been typed.
  const type = (name, value) => {
    const box = document.querySelector(`#${name} textarea, #${name} input`);
    const prototype = box.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(prototype.prototype, "value").set.call(box, value);
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const upload = async (input, file) => {
    const says = document.getElementById(input.id.replace("-file", "-upload-says"));
    says.classList.remove("wrong");
    says.textContent = `Sending ${file.name}…`;
    try {
      if (file.size > 20e6) throw new Error(`${file.name} has ${(file.size / 1e6).toFixed(0)} MB; at most 20 MB are taken`);
      const answer = await fetch("pictures", {
        method: "POST", body: file, headers: { "X-Name": encodeURIComponent(file.name) },
      });
      const text = await answer.text();
      let found;
      try { found = JSON.parse(text); } catch { throw new Error(text); }
      if (found.error) throw new Error(found.error);
      says.textContent = `${found.name} is here.`;
      type(input.dataset.own, found.picture);
    } catch (error) {
      says.classList.add("wrong");
      says.textContent = error.message;
    }
    input.value = "";
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches?.(".drop input[type=file]") && event.target.files.length) {
      upload(event.target, event.target.files[0]);
    }
  });
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      const place = event.target.closest?.(".drop");
      if (!place) return;
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files.length) {
        upload(place.querySelector("input"), event.dataTransfer.files[0]);
      }
    });
  }

  document.addEventListener("click", async (event) => {
    if (event.target.id === "theme-switch") {
      wear(!dark());
      try { window.localStorage.setItem("explorer-theme", dark() ? "dark" : "light"); } catch { /* as it is */ }
    }
    const copied = event.target.dataset?.copy;
    if (copied) {
      const words = document.getElementById(copied);
      window.getSelection().selectAllChildren(words);
      try { await navigator.clipboard.writeText(words.textContent); event.target.textContent = "Copied"; }
      catch { event.target.textContent = "Selected: copy it"; }
    }
  });

  // Tabs by the arrow keys, as assistive technology expects; gradio has them by Tab alone.
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.("[role=tab]");
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    if (!tab || !(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
    const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
    const step = steps[event.key];
    const next = Number.isFinite(step)
      ? tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length]
      : tabs.at(step > 0 ? -1 : 0);
    event.preventDefault();
    next.click();
    next.focus();
  });

  // Gradio dresses the body by the system's theme once it is up; what was chosen here wins.
  const start = () => {
    const header = document.getElementById("theme-switch");
    if (!header) { window.setTimeout(start, 50); return; }
    const chosen = remembered();
    wear(chosen ? chosen === "dark" : dark());
  };
  start();

  // What was wrong with a quick answer gradio's page keeps to itself; it is said here.
  const complain = (text) => {
    let box = document.getElementById("complaint");
    if (!box) {
      box = document.createElement("div");
      box.id = "complaint";
      box.setAttribute("role", "alert");
      document.body.append(box);
    }
    box.textContent = text;
    window.clearTimeout(complain.timer);
    complain.timer = window.setTimeout(() => box.remove(), 10000);
  };
  const fetched = window.fetch.bind(window);
  window.fetch = async (...given) => {
    const answer = await fetched(...given);
    const address = String(given[0]?.url ?? given[0]);
    if (!answer.ok && address.includes("/gradio_api/run/")) {
      answer.clone().json().then((said) => said.error && complain(said.error), () => {});
    }
    return answer;
  };

  // Counts what is begun here, in the order in which a person did it.
  let turns = 0;
  const turn = () => { turns += 1; return turns; };

  // Gradio says nothing of when the address has been read; this is told by the page's own load.
  window.explorer = { keep, type, turn, ready: false };
})();
