"use strict";
// The sounds of a case: decoded when first seen, drawn over each other, and played from one shared
// position.
(() => {
  const SIDES = ["reference", "candidate", "residual"];
  const LOUDEST = 0.5;

  async function decode(box) {
    const bytes = Uint8Array.from(atob(box.dataset.flac), (c) => c.charCodeAt(0));
    const rate = Number(box.dataset.rate);
    const buffer = await new OfflineAudioContext(2, 1, rate).decodeAudioData(bytes.buffer);
    const samples = Number(box.dataset.samples);
    const [reference, candidate] = [0, 1].map((side) => buffer.getChannelData(side).subarray(0, samples));
    const difference = candidate.map((x, i) => x - reference[i]);
    const peak_of = (samples) => samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const peak = peak_of(difference);
    const loudest = Math.max(peak_of(reference), peak_of(candidate), 1e-6);
    const gain = peak > 0 ? Math.max(1, LOUDEST / peak) : 1;
    return { rate, peak, loudest, gain, reference, candidate, residual: difference.map((x) => x * gain) };
  }

  // A wav file of 16 bit, for an audio element.
  function wav(samples, rate) {
    const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
    const word = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
    word(0, "RIFF"), view.setUint32(4, 36 + 2 * samples.length, true), word(8, "WAVEfmt ");
    view.setUint32(16, 16, true), view.setUint16(20, 1, true), view.setUint16(22, 1, true);
    view.setUint32(24, rate, true), view.setUint32(28, 2 * rate, true);
    view.setUint16(32, 2, true), view.setUint16(34, 16, true);
    word(36, "data"), view.setUint32(40, 2 * samples.length, true);
    samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, x)) * 32767, true));
    return URL.createObjectURL(new Blob([view], { type: "audio/wav" }));
  }

  async function set_up(box) {
    const sound = await decode(box);
    const canvas = box.querySelector("canvas");
    const play = box.querySelector(".play");
    const radios = [...box.querySelectorAll("input[type=radio]")];
    const start = Number(box.dataset.start);
    const length = sound.reference.length / sound.rate;
    const view = { from: 0, to: length };
    let side = "reference";
    const audio = {};
    for (const name of SIDES) {
      audio[name] = new Audio(wav(sound[name], sound.rate));
      audio[name].dataset.side = name;
      audio[name].addEventListener("ended", draw);
      box.append(audio[name]);
    }
    const now = () => audio[side].currentTime;
    // The mels of the sound, on which a line shows what is heard.
    const place = box.closest("section.case") ?? document;
    const timed = "leads" in box.dataset ? [...place.querySelectorAll(".timed")] : [];
    const span = (mel) => [Number(mel.dataset.start), Number(mel.dataset.seconds)];
    const decibels = 20 * Math.log10(sound.gain);
    box.querySelector(".gain").textContent = sound.peak === 0 ? "(silent: identical to 16 bit)"
      : decibels < 0.5 ? "" : `(${decibels.toFixed(0)} dB louder)`;

    function seek(seconds) {
      audio[side].currentTime = Math.max(0, Math.min(length, seconds));
      draw();
    }
    function hear(name) {
      const [before, after] = [audio[side], audio[name]];
      if (name !== side) {
        after.currentTime = before.currentTime;
        if (!before.paused) after.play();
        before.pause();
        side = name;
      }
      radios.find((radio) => radio.value === name).checked = true;
      draw();
    }
    function toggle() {
      if (audio[side].paused) {
        document.querySelectorAll("audio").forEach((other) => other.pause());
        if (audio[side].ended) audio[side].currentTime = 0;
        audio[side].play();
      } else audio[side].pause();
      draw();
    }
    function zoom(factor, around = now()) {
      const width = factor ? Math.min(length, Math.max(0.002, (view.to - view.from) / factor)) : length;
      const share = Math.max(0, Math.min(1, (around - view.from) / (view.to - view.from)));
      look_at(around - share * width, width);
    }
    function look_at(from, width) {
      view.from = Math.max(0, Math.min(length - width, from));
      view.to = view.from + width;
      draw();
    }

    let asked = 0;
    function draw() {
      cancelAnimationFrame(asked);
      asked = requestAnimationFrame(paint);
    }
    function paint() {
      const style = getComputedStyle(canvas);
      const colour = (name) => style.getPropertyValue(name);
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      canvas.width = width * devicePixelRatio;
      canvas.height = height * devicePixelRatio;
      const pen = canvas.getContext("2d");
      pen.scale(devicePixelRatio, devicePixelRatio);
      const x = (seconds) => (seconds - view.from) / (view.to - view.from) * width;
      const lanes = { reference: [height * 0.33, height * 0.32], residual: [height * 0.83, height * 0.16] };
      lanes.candidate = lanes.reference;
      // The lowest and the highest sample of each column, or single samples when zoomed in:
      // the reference as an area, the candidate as the outline of its own.
      function curve(name, stroke, line) {
        const [middle, room] = lanes[name];
        const samples = sound[name];
        const scale = room / (name === "residual" ? LOUDEST * 1.05 : sound.loudest);
        const first = Math.floor(view.from * sound.rate);
        const last = Math.min(samples.length, Math.ceil(view.to * sound.rate) + 1);
        const each = Math.max(1, (last - first) / width);
        const [above, below] = [[], []];
        for (let at = first; at < last; at += each) {
          const column = samples.subarray(Math.floor(at), Math.max(Math.floor(at) + 1, Math.floor(at + each)));
          const [low, high] = column.reduce(([l, h], v) => [Math.min(l, v), Math.max(h, v)], [Infinity, -Infinity]);
          above.push([x(at / sound.rate), middle - high * scale]);
          if (each > 1) below.push([x(at / sound.rate), middle - low * scale]);
        }
        pen.strokeStyle = pen.fillStyle = colour(stroke), pen.lineWidth = line;
        pen.beginPath();
        above.forEach((point) => pen.lineTo(...point));
        if (name === "candidate") pen.stroke(), pen.beginPath();
        below.reverse().forEach((point) => pen.lineTo(...point));
        if (each > 1 && name !== "candidate") pen.fill();
        pen.stroke();
      }
      curve("reference", "--reference", 3);
      curve("candidate", "--candidate", 1);
      curve("residual", "--other", 1);
      pen.fillStyle = pen.strokeStyle = colour("--ink");
      pen.fillRect(x(now()) - 1, 0, 2, height);
      pen.fillStyle = colour("--faint"), pen.font = "12px sans-serif";
      pen.fillText(`${(start + view.from).toFixed(3)} s`, 4, height - 4);
      const end = `${(start + view.to).toFixed(3)} s`;
      pen.fillText(end, width - pen.measureText(end).width - 4, height - 4);
      box.querySelector(".time").value = `${(start + now()).toFixed(2)} / ${(start + length).toFixed(2)} s`;
      canvas.setAttribute("aria-valuenow", now().toFixed(2));
      for (const mel of timed) {
        const [from, seconds] = span(mel);
        const share = (start + now() - from) / seconds;
        const cursor = mel.querySelector(".cursor");
        cursor.hidden = share < 0 || share > 1;
        cursor.style.left = `${100 * share}%`;
      }
      play.textContent = audio[side].paused ? "▶ play" : "❚❚ pause";
      if (!audio[side].paused) draw();
    }

    const seconds_at = (event) => view.from + event.offsetX / canvas.clientWidth * (view.to - view.from);
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      held = { x: event.offsetX, from: view.from, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return;
      const by = (event.offsetX - held.x) / canvas.clientWidth * (view.to - view.from);
      held.moved ||= Math.abs(event.offsetX - held.x) > 4;
      if (held.moved) look_at(held.from - by, view.to - view.from);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!held.moved) seek(seconds_at(event));
      held = null;
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.25 : 0.8, seconds_at(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const small = (view.to - view.from) / 40;
      const keys = {
        ArrowLeft: () => seek(now() - small), ArrowRight: () => seek(now() + small),
        Home: () => seek(0), End: () => seek(length), "+": () => zoom(2), "-": () => zoom(0.5), " ": toggle,
      };
      if (!keys[event.key]) return;
      event.preventDefault();
      event.stopPropagation();
      keys[event.key]();
    });
    for (const mel of timed) {
      mel.querySelector("img").addEventListener("click", ({ offsetX, target }) => {
        const [from, seconds] = span(mel);
        seek(from + offsetX / target.clientWidth * seconds - start);
      });
    }
    play.addEventListener("click", toggle);
    radios.forEach((radio) => radio.addEventListener("change", () => hear(radio.value)));
    box.querySelectorAll("[data-zoom]").forEach((button) =>
      button.addEventListener("click", () => zoom(Number(button.dataset.zoom))));
    box.closest("section")?.addEventListener("sound", ({ detail }) =>
      detail === "play" ? toggle() : hear(detail));
    new ResizeObserver(draw).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    play.disabled = false;
    hear("reference");
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      seen.unobserve(entry.target);
      set_up(entry.target).catch((error) => {
        entry.target.querySelector("p").textContent = `This browser cannot decode the sound: ${error}`;
      });
    }
  }, { rootMargin: "3000px" });
  document.querySelectorAll(".listen").forEach((box) => seen.observe(box));
})();
