// A run on the server: events come in, picks and buttons go out.

export class LiveSource {
  constructor(view) {
    this.view = view;
    this.isPlaying = false;
    this.pending = {}; // what has been picked and not been answered
    this.isSending = false;
    this.news = {}; // the newest event of each kind that is not shown yet
    view.busy(true);
    this.stream = new EventSource("/events");
    for (const kind of ["state", "frame", "live"]) {
      this.stream.addEventListener(kind, (event) => this.take(kind, event.data));
    }
    this.stream.onopen = () => view.trouble(null);
    this.stream.onerror = () =>
      view.trouble({ what: "The playground does not answer.", fix: "Start symfuse play again." });
  }

  /** Events that come faster than the screen is drawn are left out. */
  take(kind, text) {
    if (!Object.keys(this.news).length) requestAnimationFrame(() => this.tell());
    this.news[kind] = text;
  }

  tell() {
    const { news } = this;
    this.news = {};
    for (const kind of ["state", "frame", "live"]) {
      if (news[kind]) this[kind](JSON.parse(news[kind]));
    }
  }

  state(state) {
    if (!this.isSending) this.view.busy(false);
    this.view.state(state);
  }

  frame(frame) {
    this.view.frame(frame);
  }

  live(live) {
    this.isPlaying = live.playing;
    this.view.live(live);
  }

  /** Show what is picked at once; what is picked while the server works is sent together. */
  async change(fields) {
    this.pending = { ...this.pending, ...fields };
    this.view.preview();
    if (this.isSending) return;
    this.isSending = true;
    const late = setTimeout(() => this.view.busy(true), 150);
    for (let sent; sent !== this.pending; ) {
      sent = this.pending;
      const taken = await this.post("/settings", sent);
      if (taken) this.view.settings = taken;
    }
    clearTimeout(late);
    this.view.busy(false);
    this.pending = {};
    this.isSending = false;
    this.view.preview();
  }

  /** Set a weight or a bias. */
  edit(number) {
    return this.post("/weights", number);
  }

  play() {
    return this.post("/action", { action: this.isPlaying ? "pause" : "play" });
  }

  step() {
    return this.post("/action", { action: "step" });
  }

  reset() {
    return this.post("/action", { action: "reset" });
  }

  /** What the server answers; null, and a message, where it refuses. */
  async post(path, body) {
    try {
      const headers = { "Content-Type": "application/json" };
      const reply = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
      if (reply.ok) return await reply.json();
      this.view.trouble(await reply.json());
    } catch {
      this.view.trouble({ what: "The playground does not answer.", fix: "Start symfuse play again." });
    }
    return null;
  }
}
