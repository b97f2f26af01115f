// The starting noise under a grid of patches that can be drawn again.
(() => {
  "use strict";
  const { make, bytes, paint } = window.boards;
  const CELL = 10;

  window.boards.similar = (element, props, watch) => {
    const root = element.querySelector(".board");
    const canvas = make("canvas", { id: "similar-noise", width: 28, height: 28, "aria-hidden": "true" });
    const grid = make("div", { className: "patches", role: "group" });
    grid.setAttribute("aria-label", "Patches of the starting noise");
    const pad = make("div", { className: "pad" }, canvas, grid);
    const clear = make("button", { type: "button", id: "similar-clear", textContent: "Clear" });
    root.append(make("div", { className: "stage" },
      make("figure", { className: "pixels", style: `--w:28;--h:28;--cell:${CELL};--narrow:12;--colour:var(--noise)` },
        make("figcaption", { textContent: "the starting noise" }), pad,
        make("div", { className: "tools" }, clear),
        make("p", { className: "keys", textContent: "Keys: arrows go from patch to patch, space draws one again." }))));

    let said, levels, chosen = new Set(), buttons = [], brushing = null;

    const draw = () => {
      if (!said) return;
      const [, height, width, channels] = said.size;
      const one = levels.slice(0, height * width * channels), fresh = levels.slice(height * width * channels);
      const { cuts } = said, side = cuts.length - 1;
      for (const patch of chosen) {
        const row = Math.floor(patch / side), column = patch % side;
        for (let y = cuts[row]; y < cuts[row + 1]; y++) {
          const start = (y * width + cuts[column]) * channels, end = (y * width + cuts[column + 1]) * channels;
          one.set(fresh.subarray(start, end), start);
        }
      }
      paint(canvas, one, 0, said.size);
      buttons.forEach((button, patch) => button.setAttribute("aria-pressed", String(chosen.has(patch))));
      clear.disabled = !chosen.size;
    };
    const tell = () => window.explorer.type("similar-patches", [...chosen].sort((a, b) => a - b).join(" "));
    const set = (patch, on) => {
      if (chosen.has(patch) === on) return;
      if (on) chosen.add(patch); else chosen.delete(patch);
      draw();
    };
    const patchOf = (event) => {
      const at = document.elementFromPoint(event.clientX, event.clientY);
      return grid.contains(at) ? buttons.indexOf(at) : -1;
    };

    // A click changes one patch; the mouse held down changes all that it goes over.
    grid.addEventListener("pointerdown", (event) => {
      const patch = patchOf(event);
      if (patch < 0 || event.button) return;
      event.preventDefault();
      buttons[patch].focus();
      brushing = !chosen.has(patch);
      set(patch, brushing);
    });
    grid.addEventListener("pointermove", (event) => {
      if (brushing === null) return;
      const patch = patchOf(event);
      if (patch >= 0) set(patch, brushing);
    });
    window.addEventListener("pointerup", () => { if (brushing !== null) { brushing = null; tell(); } });
    grid.addEventListener("keydown", (event) => {
      const patch = buttons.indexOf(document.activeElement), side = said.cuts.length - 1;
      const moves = { ArrowUp: -side, ArrowDown: side, ArrowLeft: -1, ArrowRight: 1 };
      if (event.key === " " || event.key === "Enter") {
        event.preventDefault();
        set(patch, !chosen.has(patch));
        tell();
      } else if (event.key in moves) {
        event.preventDefault();
        const to = patch + moves[event.key];
        if (to < 0 || to >= buttons.length) return;
        if (Math.abs(moves[event.key]) === 1 && Math.floor(to / side) !== Math.floor(patch / side)) return;
        buttons[patch].tabIndex = -1;
        buttons[to].tabIndex = 0;
        buttons[to].focus();
      }
    });
    clear.addEventListener("click", () => { chosen.clear(); draw(); tell(); });

    const hear = () => {
      if (!props.value) return;
      said = props.value;
      levels = bytes(said.frames);
      chosen = new Set(said.chosen);
      const side = said.cuts.length - 1;
      if (!buttons.length) {
        buttons = Array.from({ length: side * side }, (_, patch) => {
          const button = make("button", { type: "button", className: "patch", tabIndex: patch ? -1 : 0 });
          button.setAttribute("aria-label", `Row ${Math.floor(patch / side) + 1}, column ${(patch % side) + 1}`);
          return button;
        });
        grid.style.setProperty("--side", side);
        grid.append(...buttons);
      }
      draw();
    };
    watch("value", hear);
    hear();
  };
})();
