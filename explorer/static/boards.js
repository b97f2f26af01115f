// What all boards share: pixels, colours of the theme, films with a time axis.
window.boards ??= {};
(() => {
  "use strict";

  const colour = (name) => getComputedStyle(document.body).getPropertyValue(`--${name}`).trim();
  const make = (tag, more = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(more)) {
      if (key === "html") node.innerHTML = value;
      else if (key in node && key !== "style") node[key] = value;
      else node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const floats = (text) => new Float32Array(bytes(text).buffer);

  // One frame of (N, H, W, C) levels into a canvas of exactly so many pixels.
  const paint = (canvas, levels, frame, [, height, width, channels]) => {
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width; canvas.height = height;
    }
    const image = new ImageData(width, height);
    const start = frame * height * width * channels;
    for (let i = 0; i < height * width; i++) {
      for (let c = 0; c < 3; c++) {
        image.data[4 * i + c] = levels[start + i * channels + (channels === 1 ? 0 : c)];
      }
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  // A film: panels over a time axis.  `draw(film, frame)` may draw what is no panel.
  class Film {
    constructor(root, { draw = () => {}, name = "film", seconds = 4 } = {}) {
      this.draw = draw; this.seconds = seconds;
      this.panels = make("div", { className: "panels" });
      this.play = make("button", { type: "button", className: "play", id: `${name}-play` });
      this.range = make("input", { type: "range", min: 0, max: 0, step: 1, value: 0, id: `${name}-at` });
      this.range.setAttribute("aria-label", "Moment of the run");
      this.said = make("output", { className: "time", id: `${name}-time` });
      this.said.setAttribute("for", this.range.id);
      this.axis = make("div", { className: "axis" }, this.play, this.range, this.said);
      this.axis.hidden = true;
      root.append(this.panels, this.axis);
      this.range.addEventListener("input", () => { this.pause(); this.show(Number(this.range.value)); });
      this.play.addEventListener("click", () => (this.moving ? this.pause() : this.start()));
      this.label();
    }

    label() {
      this.play.textContent = this.moving ? "Pause" : "Play";
    }

    load(film) {
      this.pause();
      this.film = film;
      const known = (film?.panels ?? []).map((one) => one.name).join();
      if (known !== this.known) {
        this.panels.replaceChildren(...(film?.panels ?? []).map((one) => this.figure(one)));
        this.known = known;
      }
      for (const one of film?.panels ?? []) {
        one.levels = bytes(one.frames);
        const figure = this.panels.querySelector(`[data-panel="${one.name}"]`);
        figure.querySelector(".note").innerHTML = one.note;
        figure.querySelector("figcaption").innerHTML = one.label;
        figure.querySelector("canvas").setAttribute("aria-label", one.says);
      }
      const frames = film?.times?.length ?? 0;
      this.axis.hidden = !frames;
      this.range.max = Math.max(0, frames - 1);
      this.range.disabled = this.play.disabled = Boolean(film?.live) || frames < 2;
      if (!frames) return;
      if (film.play && !still()) { this.show(0); this.start(); } else this.show(frames - 1);
    }

    figure(one) {
      const [, height, width] = one.size;
      const style = `--w:${width};--h:${height};--cell:${one.cell};--narrow:${one.narrow};--colour:var(--${one.colour})`;
      const canvas = make("canvas", { id: one.name, width, height, role: "img" });
      return make("figure", { className: "pixels", style, "data-panel": one.name },
        make("figcaption"), canvas, make("div", { className: "note" }));
    }

    show(frame) {
      this.at = frame;
      const { film } = this;
      for (const one of film.panels) {
        paint(this.panels.querySelector(`[data-panel="${one.name}"] canvas`), one.levels, frame, one.size);
      }
      this.range.value = frame;
      const share = film.live && film.total ? film.done / film.total : frame / Math.max(1, film.times.length - 1);
      this.range.style.setProperty("--share", share);
      const t = film.times[frame];
      const way = film.ways?.[frame] ?? "";
      this.said.textContent = `t = ${t < 0 ? "−1, the picture" : t}${way ? `, ${way}` : ""}`;
      this.range.setAttribute("aria-valuetext", this.said.textContent);
      this.draw(film, frame);
    }

    start() {
      const last = this.film.times.length - 1;
      if (this.at >= last) this.show(0);
      this.moving = true;
      this.label();
      const begun = performance.now(), from = this.at;
      const speed = last / (1000 * this.seconds), { film } = this;
      const run = (this.run = {});
      const step = (now) => {
        if (!this.moving || this.run !== run || this.film !== film || !this.range.isConnected) return;
        const frame = Math.min(last, from + Math.max(0, Math.floor((now - begun) * speed)));
        if (frame !== this.at) this.show(frame);
        if (frame < last) window.requestAnimationFrame(step); else this.pause();
      };
      window.requestAnimationFrame(step);
    }

    pause() {
      this.moving = false;
      this.label();
    }
  }

  // What only scripts write into is passed over by the keyboard.
  const passOver = () => window.setTimeout(() => {
    for (const box of document.querySelectorAll(".unseen :is(input, textarea)")) box.tabIndex = -1;
  }, 300);

  // The theme may change while a board is shown.
  const onTheme = (draw) => new MutationObserver(draw).observe(document.body, { attributeFilter: ["class"] });

  Object.assign(window.boards, { colour, make, bytes, floats, paint, Film, onTheme, passOver, still });

  // The plain board: nothing but a film.
  window.boards.boards = (element, props, watch, name) => {
    const root = element.querySelector(".board");
    const film = new Film(root, { name });
    const hear = () => { if (props.value) film.load(props.value); };
    watch("value", hear);
    hear();
  };
})();
