// DICOM files for the eye: frames with their values and how they ask to be shown. What is computed is computed by the mesh.
//
// Uncompressed syntaxes, RLE and baseline JPEG are drawn here. Of others the picture that the mesh hands back is shown.
import { parseDicom, type DataSet } from "dicom-parser";

import { joined } from "../bytes";

const TAG = {
  syntax: "x00020010",
  seriesUid: "x0020000e",
  instanceNumber: "x00200013",
  position: "x00200032",
  orientation: "x00200037",
  samples: "x00280002",
  photometric: "x00280004",
  planar: "x00280006",
  frames: "x00280008",
  rows: "x00280010",
  columns: "x00280011",
  bitsAllocated: "x00280100",
  bitsStored: "x00280101",
  highBit: "x00280102",
  signed: "x00280103",
  intercept: "x00281052",
  slope: "x00281053",
  windowCenter: "x00281050",
  windowWidth: "x00281051",
  pixels: "x7fe00010",
} as const;

const IMPLICIT = "1.2.840.10008.1.2";
const EXPLICIT = "1.2.840.10008.1.2.1";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";
const RLE = "1.2.840.10008.1.2.5";
const JPEG_BASELINE = "1.2.840.10008.1.2.4.50";
const SHOWN_SHARE = 0.005; // without a window: between these quantiles, as the mesh does

/** A grey frame: values after rescaling, and the window that it is to be seen through. */
export interface GreyFrame {
  kind: "grey";
  width: number;
  height: number;
  values: Float32Array;
  center: number;
  windowWidth: number;
  inverted: boolean;
}

/** A frame that has its colours, or its grey levels, as they are shown. */
export interface PictureFrame {
  kind: "picture";
  width: number;
  height: number;
  picture: ImageBitmap;
}

export type Frame = GreyFrame | PictureFrame;

/** A slice of a series: what it is ordered by, and its frame when it is needed. */
export interface Slice {
  place: number;
  number: number;
  load: () => Promise<Frame>;
}

export function isDicom(bytes: Uint8Array): boolean {
  return bytes[128] === 0x44 && bytes[129] === 0x49 && bytes[130] === 0x43 && bytes[131] === 0x4d;
}

/** Series Instance UID; empty where it cannot be read. */
export function seriesOf(bytes: Uint8Array): string {
  try {
    return parseDicom(bytes, { untilTag: "x0020000e" }).string(TAG.seriesUid) ?? "";
  } catch {
    return "";
  }
}

/** The slices of a file: one, or its frames. Throws where it is no image that can be drawn here. */
export function slicesOf(bytes: Uint8Array): Slice[] {
  const data = parseDicom(bytes);
  const count = Number(data.intString(TAG.frames) ?? 1) || 1;
  const number = Number(data.intString(TAG.instanceNumber) ?? 0);
  const place = along(numbers(data, TAG.position), numbers(data, TAG.orientation));
  if (!data.elements[TAG.pixels]) throw new Error("no pixels");
  return Array.from({ length: count }, (_, frame) => ({
    place,
    number: count > 1 ? frame : number,
    load: () => decode(data, frame),
  }));
}

/** In the order of the mesh: by position from the feet up, right to left, front to back; else by number. */
export function ordered(slices: Slice[]): Slice[] {
  const placed = slices.every((slice) => Number.isFinite(slice.place)) && new Set(slices.map((s) => s.place)).size > 1;
  return [...slices].sort((a, b) => (placed ? a.place - b.place : a.number - b.number));
}

function numbers(data: DataSet, tag: string): number[] {
  return (data.string(tag) ?? "").split("\\").filter(Boolean).map(Number);
}

/** How far along the slices' normal a slice lies, the normal pointing to the head, the left or the back. */
function along(position: number[], orientation: number[]): number {
  if (position.length !== 3 || orientation.length !== 6) return Number.NaN;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = orientation;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  const strongest = normal.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  return Math.sign(strongest) * normal.reduce((sum, value, i) => sum + value * (position[i] ?? 0), 0);
}

async function decode(data: DataSet, frame: number): Promise<Frame> {
  const height = data.uint16(TAG.rows) ?? 0;
  const width = data.uint16(TAG.columns) ?? 0;
  const syntax = (data.string(TAG.syntax) ?? IMPLICIT).replace(/\0/g, "");
  if (syntax === JPEG_BASELINE) {
    const picture = await createImageBitmap(new Blob([encapsulated(data, frame)], { type: "image/jpeg" }));
    return { kind: "picture", width, height, picture };
  }
  const raw = stored(data, frame, syntax, width * height);
  const photometric = data.string(TAG.photometric) ?? "MONOCHROME2";
  if (photometric === "RGB") return colour(raw, width, height, (data.uint16(TAG.planar) ?? 0) === 1 || syntax === RLE);
  if (!photometric.startsWith("MONOCHROME")) throw new Error(`colours as ${photometric}`);
  const values = rescaled(data, raw, width * height, syntax === BIG_ENDIAN);
  const [center = Number.NaN] = numbers(data, TAG.windowCenter);
  const [windowWidth = Number.NaN] = numbers(data, TAG.windowWidth);
  const window = windowWidth > 0 && Number.isFinite(center) ? { center, windowWidth } : measured(values);
  return { kind: "grey", width, height, values, ...window, inverted: photometric === "MONOCHROME1" };
}

/** The stored bytes of one frame. */
function stored(data: DataSet, frame: number, syntax: string, count: number): Uint8Array {
  const bytes = (data.uint16(TAG.bitsAllocated) ?? 8) / 8;
  const size = count * bytes * (data.uint16(TAG.samples) ?? 1);
  if (syntax === RLE) return unpacked(encapsulated(data, frame), size, bytes);
  if (syntax !== IMPLICIT && syntax !== EXPLICIT && syntax !== BIG_ENDIAN) throw new Error(`transfer syntax ${syntax}`);
  const offset = (data.elements[TAG.pixels]?.dataOffset ?? 0) + frame * size;
  const raw = data.byteArray.slice(offset, offset + size);
  if (raw.length < size) throw new Error("fewer pixels than the file says");
  return new Uint8Array(raw);
}

function encapsulated(data: DataSet, frame: number): Uint8Array<ArrayBuffer> {
  const fragments = data.elements[TAG.pixels]?.fragments ?? [];
  const single = Number(data.intString(TAG.frames) ?? 1) <= 1;
  const wanted = single ? fragments : fragments.slice(frame, frame + 1); // of several frames: one fragment each
  return joined(wanted.map(({ position, length }) => data.byteArray.slice(position, position + length)));
}

/** RLE Lossless (PS3.5 Annex G): a segment for each byte of each sample, the highest byte first. Comes out by planes of samples. */
function unpacked(packed: Uint8Array, size: number, bytes: number): Uint8Array {
  const header = new DataView(packed.buffer, packed.byteOffset, 64);
  const segments = header.getUint32(0, true);
  const out = new Uint8Array(size);
  const each = size / segments;
  for (let segment = 0; segment < segments; segment++) {
    const sample = Math.floor(segment / bytes);
    const byte = bytes - 1 - (segment % bytes);
    let from = header.getUint32(4 + 4 * segment, true);
    for (let done = 0; done < each; ) {
      const control = packed[from++] ?? 128;
      if (control === 128) continue;
      const repeats = control > 128;
      const length = repeats ? 257 - control : control + 1;
      for (let i = 0; i < length && done < each; i++, done++) {
        out[(sample * each + done) * bytes + byte] = packed[repeats ? from : from + i] ?? 0;
      }
      from += repeats ? 1 : length;
      if (from > packed.length) throw new Error("RLE ends early");
    }
  }
  return out;
}

function rescaled(data: DataSet, raw: Uint8Array, count: number, bigEndian: boolean): Float32Array {
  const allocated = data.uint16(TAG.bitsAllocated) ?? 8;
  const bits = data.uint16(TAG.bitsStored) ?? allocated;
  const signed = data.uint16(TAG.signed) === 1;
  const [slope = 1] = numbers(data, TAG.slope);
  const [intercept = 0] = numbers(data, TAG.intercept);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const mask = 2 ** bits - 1;
  const shift = Math.max(0, (data.uint16(TAG.highBit) ?? bits - 1) + 1 - bits); // left aligned, or none
  const sign = 2 ** (bits - 1);
  if (allocated !== 8 && allocated !== 16) throw new Error(`${allocated} bits`);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const word = ((allocated === 8 ? (raw[i] ?? 0) : view.getUint16(2 * i, !bigEndian)) >> shift) & mask;
    values[i] = (signed && word >= sign ? word - 2 * sign : word) * slope + intercept;
  }
  return values;
}

/** A window between the outermost values, a half percent of them left out at each end. */
function measured(values: Float32Array): { center: number; windowWidth: number } {
  const sample = Float32Array.from({ length: Math.min(values.length, 20_000) }, (_, i, n = values.length) => {
    return values[Math.floor((i * n) / Math.min(n, 20_000))] ?? 0;
  }).sort();
  const low = sample[Math.floor(sample.length * SHOWN_SHARE)] ?? 0;
  const high = sample[Math.ceil(sample.length * (1 - SHOWN_SHARE)) - 1] ?? 1;
  return { center: (low + high) / 2, windowWidth: Math.max(1, high - low) };
}

async function colour(raw: Uint8Array, width: number, height: number, byPlane: boolean): Promise<PictureFrame> {
  const count = width * height;
  const rgba = new Uint8ClampedArray(4 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = raw[byPlane ? c * count + i : 3 * i + c] ?? 0;
    rgba[4 * i + 3] = 255;
  }
  return { kind: "picture", width, height, picture: await createImageBitmap(new ImageData(rgba, width, height)) };
}
