// A run on the server: events come in, picks and buttons go out.

export class LiveSource {
  constructor(view) {
    this.view = view;
    this.isPlaying = false;
    this.pending = {}; // what has been picked and not been answered
    this.isSending = false;
    view.busy(true);
    this.stream = new EventSource("/events");
    for (const kind of ["state", "frame", "live"]) {
      this.stream.addEventListener(kind, (event) => this.take(kind, JSON.parse(event.data)));
    }
    this.stream.onopen = () => view.trouble(null);
    this.stream.onerror = () =>
      view.trouble({ what: "The playground does not answer.", fix: "Start symfuse play again." });
  }

  take(kind, data) {
    if (kind === "live") this.isPlaying = data.playing;
    if (kind === "state" && !this.isSending) this.view.busy(false);
    this.view[kind](data);
  }

  /** Show what is picked at once; what is picked while the server works is sent together. */
  async change(fields) {
    this.pending = { ...this.pending, ...fields };
    this.view.preview();
    if (this.isSending) return;
    this.isSending = true;
    for (let sent; sent !== this.pending; ) {
      sent = this.pending;
      await this.post("/settings", sent);
    }
    this.pending = {};
    this.isSending = false;
    this.view.preview();
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

  /** Send, and show what the server refuses; while it takes long, the page says so. */
  async post(path, body) {
    const late = setTimeout(() => this.view.busy(true), 150);
    try {
      const headers = { "Content-Type": "application/json" };
      const reply = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
      if (!reply.ok) this.view.trouble(await reply.json());
    } catch {
      this.view.trouble({ what: "The playground does not answer.", fix: "Start symfuse play again." });
    } finally {
      clearTimeout(late);
      this.view.busy(false);
    }
  }
}
