// Opened from disk, a page may start no worker. The search then runs in a hidden frame of the same page, which this
// class makes look like a worker: a script, messages there and back, and `importScripts`.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.documentElement.append(frame);
      const inside = frame.contentWindow;
      const place = new URL(address, location.href);
      const load = (source) => new Promise((done, fail) => {
        const script = inside.document.createElement("script");
        Object.assign(script, { src: new URL(source, place).href, onload: done, onerror: fail });
        inside.document.head.append(script);
      });
      inside.importScripts = async (...sources) => { for (const source of sources) await load(source); };
      inside.postMessage = (data) => this.tell(new MessageEvent("message", { data }));
      this.inside = inside;
      load(place).then(
        () => { const waiting = this.waiting; this.waiting = null; waiting.forEach((data) => this.pass(data)); },
        () => this.tell(new Event("error")),
      );
    }

    tell(event) {
      this.dispatchEvent(event);
      this["on" + event.type]?.(event);
    }

    pass(data) {
      const event = new this.inside.MessageEvent("message", { data });
      this.inside.dispatchEvent(event);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.pass(data);
    }

    terminate() {}
  };
}
