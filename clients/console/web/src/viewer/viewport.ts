// <image-viewport>: one image or series on a canvas, with window and level, zoom, pan, slices and an overlay.
import type { StudyFile } from "../case";
import { isDicom, ordered, slicesOf, type Frame, type Slice } from "./dicom";

const ZOOM_STEP = 1.2;
const MAX_ZOOM = 16;
const WINDOW_STEP = 0.05;

export interface View {
  center: number;
  windowWidth: number;
  inverted: boolean;
  zoom: number;
  panX: number;
  panY: number;
  slice: number;
}

/** Told when the view has changed, with what is shown. */
export type ViewChanged = CustomEvent<{ view: View; sliceCount: number; grey: boolean; problem: boolean }>;

export class ImageViewport extends HTMLElement {
  private readonly canvas = document.createElement("canvas");
  private readonly shown = document.createElement("canvas"); // the frame through its window, pixel for pixel
  private slices: Slice[] = [];
  private frame?: Frame;
  private files?: readonly StudyFile[];
  private loading = 0;
  private drag?: { x: number; y: number; pans: boolean };
  private pinch = 0;
  private readonly touches = new Map<number, { x: number; y: number }>();
  view: View = { center: 0, windowWidth: 1, inverted: false, zoom: 1, panX: 0, panY: 0, slice: 0 };
  private laidOver?: CanvasImageSource;
  private laidOverOpacity = 0.5;

  connectedCallback(): void {
    if (this.canvas.isConnected) return;
    this.append(this.canvas);
    new ResizeObserver(() => this.paint()).observe(this);
    this.addEventListener("wheel", this.onWheel, { passive: false });
    this.addEventListener("keydown", this.onKey);
    this.addEventListener("pointerdown", this.onDown);
    this.addEventListener("pointermove", this.onMove);
    this.addEventListener("pointerup", this.onUp);
    this.addEventListener("pointercancel", this.onUp);
    this.addEventListener("dblclick", () => this.reset());
    this.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** The files of one image or series. The same files again change nothing. */
  set source(files: readonly StudyFile[]) {
    if (files === this.files) return;
    this.files = files;
    void this.open(files);
  }

  set overlay(overlay: CanvasImageSource | undefined) {
    if (overlay === this.laidOver) return;
    this.laidOver = overlay;
    this.paint();
  }

  set opacity(opacity: number) {
    if (opacity === this.laidOverOpacity) return;
    this.laidOverOpacity = opacity;
    this.paint();
  }

  private async open(files: readonly StudyFile[]): Promise<void> {
    const slices = files.flatMap(({ bytes }) => {
      try {
        return isDicom(bytes) ? slicesOf(bytes) : [pictureSlice(bytes)];
      } catch {
        return []; // a report or a directory among the files; the mesh names it
      }
    });
    this.slices = ordered(slices);
    this.view = { ...this.view, zoom: 1, panX: 0, panY: 0 };
    this.frame = undefined;
    await this.go(Math.floor((this.slices.length - 1) / 2), true);
  }

  /** Shows a slice by its place in the series, from 0. */
  async go(index: number, firstOfStudy = false): Promise<void> {
    const turn = ++this.loading;
    const slice = Math.min(Math.max(0, index), Math.max(0, this.slices.length - 1));
    try {
      const frame = await this.slices[slice]?.load();
      if (turn !== this.loading) return;
      this.frame = frame;
      this.view.slice = slice;
      if (firstOfStudy && frame?.kind === "grey") this.takeWindow(frame);
    } catch {
      this.frame = undefined; // a syntax that is not drawn here
    }
    this.refresh();
  }

  private takeWindow(frame: Extract<Frame, { kind: "grey" }>): void {
    Object.assign(this.view, { center: frame.center, windowWidth: frame.windowWidth, inverted: false });
  }

  reset(): void {
    Object.assign(this.view, { zoom: 1, panX: 0, panY: 0, inverted: false });
    if (this.frame?.kind === "grey") this.takeWindow(this.frame);
    this.refresh();
  }

  invert(): void {
    this.view.inverted = !this.view.inverted;
    this.refresh();
  }

  zoomBy(factor: number): void {
    this.view.zoom = Math.min(MAX_ZOOM, Math.max(1, this.view.zoom * factor));
    if (this.view.zoom === 1) Object.assign(this.view, { panX: 0, panY: 0 });
    this.refresh();
  }

  window(change: { center?: number; width?: number }): void {
    const { view } = this;
    view.center += (change.center ?? 0) * view.windowWidth;
    view.windowWidth = Math.max(1, view.windowWidth * (1 + (change.width ?? 0)));
    this.refresh();
  }

  /** The window, in the image's own values. */
  setWindow(center: number, windowWidth: number): void {
    Object.assign(this.view, { center, windowWidth });
    this.refresh();
  }

  private refresh(): void {
    this.develop();
    this.paint();
    const detail = {
      view: { ...this.view },
      sliceCount: this.slices.length,
      grey: this.frame?.kind === "grey",
      problem: this.frame === undefined,
    };
    this.dispatchEvent(new CustomEvent("view-changed", { detail, bubbles: true }));
  }

  /** Draws the frame through the window into `shown`. */
  private develop(): void {
    const { frame, view, shown } = this;
    if (!frame) return;
    [shown.width, shown.height] = [frame.width, frame.height];
    const context = shown.getContext("2d");
    if (!context) return;
    if (frame.kind === "picture") {
      context.filter = view.inverted ? "invert(1)" : "none";
      context.drawImage(frame.picture, 0, 0, frame.width, frame.height);
      return;
    }
    const pixels = context.createImageData(frame.width, frame.height);
    const words = new Uint32Array(pixels.data.buffer);
    const low = view.center - view.windowWidth / 2;
    const scale = 255 / view.windowWidth;
    const flip = frame.inverted !== view.inverted ? 255 : 0;
    for (let i = 0; i < frame.values.length; i++) {
      const level = Math.min(255, Math.max(0, ((frame.values[i] ?? 0) - low) * scale)) ^ flip;
      words[i] = 0xff000000 | (level << 16) | (level << 8) | level;
    }
    context.putImageData(pixels, 0, 0);
  }

  private paint(): void {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this;
    if (clientWidth === 0) return;
    [this.canvas.width, this.canvas.height] = [clientWidth * ratio, clientHeight * ratio];
    const context = this.canvas.getContext("2d");
    if (!context || !this.frame) return;
    const fit = Math.min(this.canvas.width / this.frame.width, this.canvas.height / this.frame.height);
    const scale = fit * this.view.zoom;
    const [width, height] = [this.frame.width * scale, this.frame.height * scale];
    const left = (this.canvas.width - width) / 2 + this.view.panX * ratio;
    const top = (this.canvas.height - height) / 2 + this.view.panY * ratio;
    context.imageSmoothingEnabled = scale < 3;
    context.drawImage(this.shown, left, top, width, height);
    if (!this.laidOver) return;
    context.imageSmoothingEnabled = true;
    context.globalAlpha = this.laidOverOpacity;
    context.drawImage(this.laidOver, left, top, width, height);
  }

  private readonly onWheel = (event: WheelEvent): void => {
    event.preventDefault();
    if (this.slices.length > 1 && !event.ctrlKey) void this.go(this.view.slice + Math.sign(event.deltaY));
    else this.zoomBy(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP);
  };

  private readonly onDown = (event: PointerEvent): void => {
    this.setPointerCapture(event.pointerId);
    this.touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const pans = event.button !== 0 || event.shiftKey || event.pointerType === "touch";
    this.drag = { x: event.clientX, y: event.clientY, pans };
  };

  private readonly onMove = (event: PointerEvent): void => {
    if (!this.drag || !this.touches.has(event.pointerId)) return;
    this.touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.touches.size === 2) return this.pinched();
    const [dx, dy] = [event.clientX - this.drag.x, event.clientY - this.drag.y];
    this.drag = { ...this.drag, x: event.clientX, y: event.clientY };
    if (this.drag.pans || this.frame?.kind !== "grey") {
      this.view.panX += dx;
      this.view.panY += dy;
      this.refresh();
    } else {
      this.window({ width: dx / 200, center: dy / 300 });
    }
  };

  private pinched(): void {
    const [a, b] = [...this.touches.values()];
    const apart = a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
    if (this.pinch > 0 && apart > 0) this.zoomBy(apart / this.pinch);
    this.pinch = apart;
  }

  private readonly onUp = (event: PointerEvent): void => {
    this.touches.delete(event.pointerId);
    this.pinch = 0;
    if (this.touches.size === 0) this.drag = undefined;
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    const pan = event.shiftKey ? 24 : 0;
    const keys: Record<string, () => void> = {
      "+": () => this.zoomBy(ZOOM_STEP),
      "=": () => this.zoomBy(ZOOM_STEP),
      "-": () => this.zoomBy(1 / ZOOM_STEP),
      "0": () => this.reset(),
      i: () => this.invert(),
      PageUp: () => void this.go(this.view.slice - 1),
      PageDown: () => void this.go(this.view.slice + 1),
      ArrowLeft: () => (pan ? this.panBy(-pan, 0) : this.window({ width: -WINDOW_STEP })),
      ArrowRight: () => (pan ? this.panBy(pan, 0) : this.window({ width: WINDOW_STEP })),
      ArrowUp: () => (pan ? this.panBy(0, -pan) : this.window({ center: -WINDOW_STEP })),
      ArrowDown: () => (pan ? this.panBy(0, pan) : this.window({ center: WINDOW_STEP })),
    };
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  private panBy(x: number, y: number): void {
    this.view.panX += x;
    this.view.panY += y;
    this.refresh();
  }
}

function pictureSlice(bytes: Uint8Array<ArrayBuffer>): Slice {
  const load = async (): Promise<Frame> => {
    const picture = await createImageBitmap(new Blob([bytes]));
    return { kind: "picture", width: picture.width, height: picture.height, picture };
  };
  return { place: Number.NaN, number: 0, load };
}

customElements.define("image-viewport", ImageViewport);
