// The canvas on which a brush lays noise.
(() => {
  "use strict";
  const { make, floats, paint } = window.boards;
  const CELL = 10;

  window.boards.brush = (element, props, watch) => {
    const root = element.querySelector(".board");
    const shown = make("canvas", { id: "brush-canvas", width: 28, height: 28, tabIndex: 0, role: "application" });
    shown.setAttribute("aria-label", "Canvas: paint with the mouse, a finger, or the arrow keys and space");
    const ring = make("div", { className: "ring" });
    const pad = make("div", { className: "pad brush" }, shown, ring);
    const undo = make("button", { type: "button", id: "brush-undo", textContent: "Undo" });
    const clear = make("button", { type: "button", id: "brush-clear", textContent: "Clear" });
    const figure = make("figure", { className: "pixels", style: `--w:28;--h:28;--cell:${CELL};--narrow:12;--colour:var(--noise)` },
      make("figcaption", { textContent: "your canvas" }), pad,
      make("div", { className: "tools" }, undo, clear),
      make("p", { className: "keys", textContent: "Keys: arrows move the brush, space paints." }));
    root.append(make("div", { className: "stage" }, figure));

    let x0, eps, size, radius = 0.12, strength = 0.25;
    let strokes = [], counts, at = [0.5, 0.5], painting = false, last = 0;

    // k · strength² of variance after k dabs: √(1 − s²) x_0 + s ε, as the core has it.
    const covers = (dab, add) => {
      const [, height, width] = size;
      const reach = Math.max(radius * Math.max(height, width), Math.SQRT1_2);
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const away = Math.hypot(row + 0.5 - dab[0] * height, column + 0.5 - dab[1] * width);
          if (away <= reach) counts[row * width + column] += add;
        }
      }
    };
    const draw = () => {
      if (!x0) return;
      const [, height, width, channels] = size;
      const levels = new Uint8Array(height * width * channels);
      for (let i = 0; i < height * width; i++) {
        const s = Math.sqrt(Math.min(1, counts[i] * strength * strength));
        for (let c = 0; c < channels; c++) {
          const value = Math.sqrt(1 - s * s) * x0[i * channels + c] + s * eps[i * channels + c];
          levels[i * channels + c] = Math.round((Math.min(1, Math.max(-1, value)) + 1) * 127.5);
        }
      }
      paint(shown, levels, 0, size);
    };
    const recount = () => {
      if (!size) return;
      counts = new Uint32Array(size[1] * size[2]);
      strokes.flat().forEach((dab) => covers(dab, 1));
      draw();
    };
    const tell = () => {
      undo.disabled = clear.disabled = !strokes.length;
      window.explorer.type("brush-dabs", strokes.map((stroke) => stroke.map((dab) => dab.join(",")).join(";")).join(";"));
    };
    const place = () => {
      ring.style.left = `${100 * at[1]}%`;
      ring.style.top = `${100 * at[0]}%`;
      ring.style.width = ring.style.height = `${200 * radius}%`;
    };
    const dab = (point) => {
      const exact = point.map((value) => Number(Math.min(1, Math.max(0, value)).toFixed(3)));
      strokes.at(-1).push(exact);
      covers(exact, 1);
    };
    const goTo = (point) => {
      // Dabs a half radius apart, wherever the mouse was asked.
      const from = strokes.at(-1).at(-1);
      const long = Math.hypot(point[0] - from[0], point[1] - from[1]);
      const count = Math.floor(long / (radius / 2));
      for (let i = 1; i <= count; i++) {
        const share = (i * radius) / 2 / long;
        dab([from[0] + share * (point[0] - from[0]), from[1] + share * (point[1] - from[1])]);
      }
      if (count) draw();
    };
    const where = (event) => {
      const box = pad.getBoundingClientRect(), edge = pad.clientLeft;
      return [(event.clientY - box.top - edge) / pad.clientHeight, (event.clientX - box.left - edge) / pad.clientWidth];
    };

    pad.addEventListener("pointerdown", (event) => {
      if (!x0 || event.button) return;
      pad.setPointerCapture(event.pointerId);
      painting = true;
      at = where(event);
      strokes.push([]);
      dab(at);
      draw();
      place();
    });
    pad.addEventListener("pointermove", (event) => {
      at = where(event);
      ring.classList.add("seen");
      place();
      if (!painting) return;
      goTo(at);
      if (event.timeStamp - last > 300) { last = event.timeStamp; tell(); }
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      pad.addEventListener(kind, () => { if (painting) { painting = false; tell(); } });
    }
    pad.addEventListener("pointerleave", () => { if (document.activeElement !== shown) ring.classList.remove("seen"); });
    shown.addEventListener("focus", () => { ring.classList.add("seen"); place(); });
    shown.addEventListener("blur", () => ring.classList.remove("seen"));
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    shown.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!x0 || (!step && event.key !== " ")) return;
      event.preventDefault();
      if (step) at = at.map((value, axis) => Math.min(1, Math.max(0, value + step[axis] / size[1 + axis])));
      else { strokes.push([]); dab(at); draw(); tell(); }
      place();
    });
    undo.addEventListener("click", () => { strokes.pop(); recount(); tell(); });
    clear.addEventListener("click", () => { strokes = []; recount(); tell(); });

    const hear = () => {
      const said = props.value;
      if (!said) return;
      if (said.radius) ({ radius, strength } = said);
      if (said.picture && said.key !== shown.dataset.key) {
        x0 = floats(said.picture); eps = floats(said.noise); size = said.size;
        shown.dataset.key = said.key;
        strokes = [];
        tell();
      }
      if (said.radius || said.picture) recount();
      place();
    };
    undo.disabled = clear.disabled = true;
    watch("value", hear);
    hear();
  };
})();
