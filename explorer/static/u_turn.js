// The U-turn: a film, and above it the way through the noise.
(() => {
  "use strict";
  const { make, Film } = window.boards;
  const WIDE = 600, HIGH = 96, EDGE = 10;

  window.boards.u_turn = (element, props, watch) => {
    const root = element.querySelector(".board");
    const way = make("div", { className: "way" });
    const draw = (film, frame) => {
      if (film.live || film.turn === undefined) { way.replaceChildren(); return; }
      const last = film.times.length - 1;
      const at = (i) => {
        // Half of the width for the way out, half for the way back.
        const share = i <= film.turn ? (0.5 * i) / Math.max(1, film.turn) : 0.5 + (0.5 * (i - film.turn)) / Math.max(1, last - film.turn);
        return [EDGE + share * (WIDE - 2 * EDGE), EDGE + ((film.times[i] + 1) / 1000) * (HIGH - 2 * EDGE)];
      };
      const line = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => at(from + i).map((v) => v.toFixed(1)).join(",")).join(" ");
      const [x, y] = at(frame);
      way.innerHTML = `<svg viewBox="0 0 ${WIDE} ${HIGH}" aria-hidden="true">
        <line x1="${EDGE}" y1="${EDGE}" x2="${WIDE - EDGE}" y2="${EDGE}" class="level"/>
        <line x1="${EDGE}" y1="${HIGH - EDGE}" x2="${WIDE - EDGE}" y2="${HIGH - EDGE}" class="level"/>
        <polyline points="${line(0, film.turn)}" class="out"/>
        <polyline points="${line(film.turn, last)}" class="back"/>
        <circle cx="${x}" cy="${y}" r="7" class="${frame < film.turn ? "out" : "back"}"/></svg>
        <span class="top">picture</span><span class="bottom">noise</span>`;
    };
    const film = new Film(root, { name: "u_turn", draw, seconds: 6 });
    root.insertBefore(way, film.axis);
    const hear = () => { if (props.value) film.load(props.value); };
    watch("value", hear);
    hear();
  };
})();
