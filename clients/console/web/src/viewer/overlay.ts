// What lies over an image: a heat map or a mask as a picture of its own, transparent where there is nothing.
import type { Finding, ImageModelResult, SegmentationMask } from "../gen/medmesh/imaging/v1/imaging_pb";

// Inferno (matplotlib) at five places: dark is little, light is much, and it reads without colour too.
const STOPS = [
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
] as const;
const MASK_COLOUR = [64, 196, 255] as const;

function hasHeatMap(finding: Finding): boolean {
  const { heatMap } = finding;
  return heatMap !== undefined && heatMap.values.length > 0 && heatMap.values.some((value) => value > 0);
}

/** The labels of a result that something can be laid over the image for, or over a slice of a series. */
export function overlayLabels(result: ImageModelResult): string[] {
  const findings = [...result.findings, ...result.keySlices.flatMap((slice) => slice.findings)];
  return [...new Set([...result.masks, ...findings.filter(hasHeatMap)].map((one) => one.label))];
}

/** The slices that a label's overlay is of; none: it is of a single image. */
export function overlaySlices(result: ImageModelResult, label: string): number[] {
  const mask = result.masks.find((one) => one.label === label);
  if (mask) return mask.sliceIndex === undefined ? [] : [mask.sliceIndex];
  return result.keySlices.filter((one) => mapOf(one.findings, label)).map(({ index }) => index);
}

/** The label's mask or map over one slice, or over the image; undefined where it has none there. */
export async function overlayOf(
  result: ImageModelResult,
  label: string,
  slice: number,
): Promise<CanvasImageSource | undefined> {
  const mask = result.masks.find((one) => one.label === label);
  if (mask) return mask.sliceIndex === undefined || mask.sliceIndex === slice ? drawnMask(mask) : undefined;
  const key = result.keySlices.find(({ index }) => index === slice);
  const finding = mapOf(result.keySlices.length > 0 ? (key?.findings ?? []) : result.findings, label);
  return finding && drawnMap(finding);
}

function mapOf(findings: readonly Finding[], label: string): Finding | undefined {
  return findings.find((one) => one.label === label && hasHeatMap(one));
}

function drawnMap({ heatMap }: Finding): HTMLCanvasElement {
  const { rowCount, columnCount, values } = heatMap ?? { rowCount: 1, columnCount: 1, values: [] };
  const pixels = new ImageData(columnCount, rowCount);
  values.forEach((value, i) => {
    const place = Math.min(0.9999, Math.max(0, value)) * (STOPS.length - 1);
    const from = STOPS[Math.floor(place)] ?? STOPS[0];
    const to = STOPS[Math.floor(place) + 1] ?? from;
    for (let c = 0; c < 3; c++) {
      const [low, high] = [from[c] ?? 0, to[c] ?? 0];
      pixels.data[4 * i + c] = low + (high - low) * (place % 1);
    }
    pixels.data[4 * i + 3] = 255 * Math.min(1, value * 1.25);
  });
  return canvasOf(pixels);
}

async function drawnMask({ maskPng }: SegmentationMask): Promise<HTMLCanvasElement> {
  const picture = await createImageBitmap(new Blob([new Uint8Array(maskPng)], { type: "image/png" }));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return canvas;
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const inside = (pixels.data[i] ?? 0) > 127;
    pixels.data.set([...MASK_COLOUR, inside ? 255 : 0], i);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function canvasOf(pixels: ImageData): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [pixels.width, pixels.height];
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
  return canvas;
}
