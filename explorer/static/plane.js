// The plane on which points are drawn: glow, arrows, particles.
(() => {
  "use strict";
  const { make, bytes, floats, colour, Film, onTheme } = window.boards;
  const GRAIN = 100, MOST = 100, APART = 0.14, SQUEEZED = 1;

  window.boards.plane = (element, props, watch) => {
    const root = element.querySelector(".board");
    const canvas = make("canvas", { id: "plane-canvas", tabIndex: 0, role: "application" });
    canvas.setAttribute("aria-label", "Plane: click or drag to draw points; arrow keys and space do as well");
    const pad = make("div", { className: "pad plane" }, canvas);
    const undo = make("button", { type: "button", id: "plane-undo", textContent: "Undo" });
    const clear = make("button", { type: "button", id: "plane-clear", textContent: "Clear" });
    const count = make("span", { className: "count", id: "plane-count" });
    const sign = (shape, words) => make("li", { html: `<svg viewBox="-8 -8 16 16" aria-hidden="true">${shape}</svg><span>${words}</span>` });
    const legend = make("ul", { className: "legend" },
      sign('<circle r="5" fill="var(--signal)"/>', "your points: the data"),
      sign('<rect x="-8" y="-8" width="16" height="16" rx="8" fill="var(--signal)" opacity=".35"/>', "glow: where noisy data is likely at this t"),
      sign('<path d="M8 0 L-8 -6 L-4 0 L-8 6 Z" fill="var(--quiet)"/>', "arrow: the score, the steepest way uphill in the glow; the longer, the steeper"),
      sign('<circle r="4" fill="var(--noise)"/>', "particles: pure noise at first, then along the arrows"),
      sign('<circle r="4" fill="var(--prediction)"/>', "and where they end: new data"));
    root.append(make("div", { className: "stage" }, make("div", { className: "sheet" }, pad,
      make("div", { className: "tools" }, undo, clear, count,
        make("span", { className: "keys", textContent: "Keys: arrows move the cross, space puts a point." }))), legend));

    let strokes = [], reach = 2.5, shown = null, arrays = null, frame = 0, drawing = false;
    let cross = null;
    const mine = new Set();
    const points = () => strokes.flat();
    // Two digits of base 36 a coordinate, as the address has them.
    const write = (value) => Math.round((value + reach) * GRAIN).toString(36).padStart(2, "0");
    const read = (text) => Array.from({ length: text.length / 4 }, (_, i) =>
      [0, 2].map((j) => parseInt(text.slice(4 * i + j, 4 * i + j + 2), 36) / GRAIN - reach));

    const draw = () => {
      const dense = window.devicePixelRatio || 1;
      const side = Math.round(pad.clientWidth * dense);
      if (!side) return;
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const pen = canvas.getContext("2d");
      const unit = side / (2 * reach);
      const at = (x, y) => [(x + reach) * unit, (reach - y) * unit];
      const dot = (x, y, radius) => { pen.beginPath(); pen.arc(...at(x, y), radius * dense, 0, 2 * Math.PI); pen.fill(); };
      pen.fillStyle = colour("background");
      pen.fillRect(0, 0, side, side);
      if (shown && arrays) {
        light(pen, side);
        pen.fillStyle = colour("quiet");
        dart(pen, unit, at);
        pen.fillStyle = colour(shown.times[frame] < 0 ? "prediction" : "noise");
        const start = frame * shown.count * 2;
        for (let i = 0; i < shown.count; i++) {
          dot(arrays.particles[start + 2 * i], arrays.particles[start + 2 * i + 1], 2.2);
        }
      }
      for (const [x, y] of points()) {
        pen.fillStyle = colour("background"); dot(x, y, 4.6);
        pen.fillStyle = colour("signal"); dot(x, y, 3.4);
      }
      if (cross && document.activeElement === canvas) {
        const [x, y] = at(...cross), arm = 10 * dense;
        pen.strokeStyle = colour("text"); pen.lineWidth = 2 * dense;
        pen.beginPath();
        pen.moveTo(x - arm, y); pen.lineTo(x + arm, y); pen.moveTo(x, y - arm); pen.lineTo(x, y + arm);
        pen.stroke();
      }
    };
    // The density as light in the data's colour, the likeliest place brightest.
    const light = (pen, side) => {
      const n = shown.glow_side, image = new ImageData(n, n);
      const [r, g, b] = colour("signal").match(/[\da-f]{2}/gi).map((part) => parseInt(part, 16));
      for (let i = 0; i < n * n; i++) {
        image.data.set([r, g, b, 110 * Math.sqrt(arrays.glow[frame * n * n + i] / 255)], 4 * i);
      }
      const small = new OffscreenCanvas(n, n);
      small.getContext("2d").putImageData(image, 0, 0);
      // Its outermost pixels have their middles at the edge of the plane.
      const over = side / (n - 1) / 2;
      pen.imageSmoothingEnabled = true;
      pen.drawImage(small, -over, -over, side + 2 * over, side + 2 * over);
    };
    // Arrows: the direction is exact, the length squeezed into the room that there is.
    const dart = (pen, unit, at) => {
      const total = shown.side ** 2, moments = arrays.score.length / (2 * total);
      const start = Math.min(frame, moments - 1) * total * 2;
      const room = ((2 * reach) / (shown.side - 1)) * 0.9;
      pen.globalAlpha = 0.75;
      for (let i = 0; i < total; i++) {
        const x = arrays.places[2 * i], y = arrays.places[2 * i + 1];
        const dx = arrays.score[start + 2 * i], dy = arrays.score[start + 2 * i + 1];
        const long = Math.hypot(dx, dy);
        if (long < 1e-9) continue;
        const size = (room * long) / (long + SQUEEZED) / long;
        const [ax, ay] = [dx * size, dy * size];
        pen.beginPath();
        for (const [along, across] of [[0.5, 0], [-0.5, 0.2], [-0.3, 0], [-0.5, -0.2]]) {
          const place = at(x + along * ax - across * ay, y + along * ay + across * ax);
          pen.lineTo(...place);
        }
        pen.fill();
      }
      pen.globalAlpha = 1;
    };

    const film = new Film(root, {
      name: "plane", seconds: 6,
      draw: (_, at) => { frame = at; draw(); },
    });
    const tell = () => {
      label();
      const text = points().map((point) => point.map(write).join("")).join("");
      mine.add(text);
      window.explorer.type("plane-points", text);
    };
    const label = () => {
      const drawn = points().length;
      count.textContent = drawn >= MOST ? `${drawn} points: no more are taken` : `${drawn} point${drawn === 1 ? "" : "s"}`;
      undo.disabled = clear.disabled = !drawn;
    };
    const hold = () => {
      // What was computed was for other points.
      film.pause();
      film.axis.hidden = true;
      shown = null;
      draw();
    };
    const put = (point) => {
      if (points().length >= MOST) return;
      // As exactly as it is written.
      const bound = (value) => Math.round((Math.min(reach, Math.max(-reach, value)) + reach) * GRAIN) / GRAIN - reach;
      strokes.at(-1).push(point.map(bound));
      label();
      draw();
    };
    const where = (event) => {
      const box = pad.getBoundingClientRect(), edge = pad.clientLeft;
      return [((event.clientX - box.left - edge) / pad.clientWidth) * 2 * reach - reach,
        reach - ((event.clientY - box.top - edge) / pad.clientHeight) * 2 * reach];
    };
    pad.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      pad.setPointerCapture(event.pointerId);
      drawing = true;
      cross = where(event);
      strokes.push([]);
      hold();
      put(cross);
    });
    pad.addEventListener("pointermove", (event) => {
      if (!drawing) return;
      const to = where(event), from = strokes.at(-1).at(-1);
      if (from && Math.hypot(to[0] - from[0], to[1] - from[1]) >= APART) put(to);
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      pad.addEventListener(kind, () => { if (drawing) { drawing = false; tell(); } });
    }
    const steps = { ArrowUp: [0, 0.1], ArrowDown: [0, -0.1], ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0] };
    canvas.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step && event.key !== " ") return;
      event.preventDefault();
      cross ??= [0, 0];
      if (step) cross = cross.map((value, axis) => Math.min(reach, Math.max(-reach, value + step[axis])));
      else { strokes.push([]); hold(); put(cross); tell(); }
      draw();
    });
    canvas.addEventListener("focus", () => { cross ??= [0, 0]; draw(); });
    canvas.addEventListener("blur", draw);
    undo.addEventListener("click", () => { strokes.pop(); hold(); tell(); });
    clear.addEventListener("click", () => { strokes = []; hold(); tell(); });

    const hear = () => {
      const said = props.value;
      if (!said || drawing) return;
      reach = said.reach;
      const now = points().map((point) => point.map(write).join("")).join("");
      if (said.drawn !== now && mine.has(said.drawn)) return; // the answer to an older drawing
      if (said.drawn !== now) strokes = said.drawn ? [read(said.drawn)] : [];
      label();
      if (said.times.length) {
        shown = said;
        arrays = {
          particles: floats(said.particles), places: floats(said.places),
          score: floats(said.score), glow: bytes(said.glow),
        };
      } else shown = null;
      film.load(said);
      draw();
    };
    new ResizeObserver(draw).observe(pad);
    onTheme(draw);
    watch("value", hear);
    hear();
    label();
  };
})();
