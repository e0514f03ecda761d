// The case that a person puts together: files become images, a note and a record, by what is in them and not by their names.
import { create } from "@bufbuild/protobuf";
import { unzipSync } from "fflate";

import { PatientInputSchema } from "./gen/medmesh/common/v1/patient_pb";
import { ImageOptionsSchema, ImageSourceSchema } from "./gen/medmesh/imaging/v1/imaging_pb";
import { ReportOptionsSchema } from "./gen/medmesh/language/v1/report_pb";
import {
  CaseImageSchema,
  DiagnosticCaseSchema,
  type DiagnosticCase,
} from "./gen/medmesh/orchestrator/v1/orchestrator_pb";
import { seriesOf } from "./viewer/dicom";
import type { Word } from "./words";

export const MAX_IMAGES = 4;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_INFLATED_BYTES = 1024 * 1024 * 1024; // what of an archive is drawn; the mesh has a bound of its own
const SAMPLES = { image: "samples/chest_xray.dcm", note: "samples/note.txt", record: "samples/patient.json" };

/** A file of a study, as it came. */
export interface StudyFile {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** One image of the case: a file, an archive, or the files of one series. */
export interface StudyImage {
  files: StudyFile[];
  series: string;
}

export interface CaseInput {
  images: StudyImage[];
  note: string;
  record?: StudyFile;
  draftReport: boolean;
  bodyPart: string;
  problems: { word: Word; name: string }[];
}

export function isEmpty(input: CaseInput): boolean {
  return input.images.length === 0 && input.note.trim() === "" && input.record === undefined;
}

/** A file that was read, or one that is too large to be. */
export interface Read {
  name: string;
  bytes: Uint8Array<ArrayBuffer> | undefined;
}

/** The files' content. Takes a while, in which the person may go on with the case: it is added by `withFiles` afterwards. */
export async function read(files: Iterable<File>): Promise<Read[]> {
  return Promise.all(
    Array.from(files, async (file) => ({
      name: file.name,
      bytes: file.size > MAX_BYTES ? undefined : new Uint8Array(await file.arrayBuffer()),
    })),
  );
}

/** The case with the files added: DICOM of one series is one image, JSON the record, other text the note. */
export function withFiles(input: CaseInput, files: Read[]): CaseInput {
  const next: CaseInput = { ...input, images: input.images.map((image) => ({ ...image, files: [...image.files] })), problems: [] };
  for (const { name, bytes } of files) {
    if (bytes === undefined) next.problems.push({ word: "case.too_large", name });
    else take(next, { name, bytes });
  }
  if (next.images.length > MAX_IMAGES) {
    next.problems.push({ word: "case.too_many", name: String(next.images.length) });
    next.images = next.images.slice(0, MAX_IMAGES);
  }
  return next;
}

function take(input: CaseInput, file: StudyFile): void {
  const kind = kindOf(file.bytes);
  if (kind === "dicom") {
    const series = seriesOf(file.bytes);
    const known = series === "" ? undefined : input.images.find((image) => image.series === series);
    if (known) known.files.push(file);
    else input.images.push({ files: [file], series });
  } else if (kind === "picture" || kind === "zip") {
    input.images.push({ files: [file], series: "" });
  } else if (kind === "json") {
    input.record = file;
  } else if (kind === "text") {
    input.note = new TextDecoder().decode(file.bytes).replaceAll("\r\n", "\n");
  } else {
    input.problems.push({ word: "case.not_understood", name: file.name });
  }
}

function kindOf(bytes: Uint8Array): "dicom" | "picture" | "zip" | "json" | "text" | "" {
  const begins = (at: number, ...values: number[]) => values.every((value, i) => bytes[at + i] === value);
  if (begins(128, 0x44, 0x49, 0x43, 0x4d)) return "dicom"; // DICM
  if (begins(0, 0x89, 0x50, 0x4e, 0x47) || begins(0, 0xff, 0xd8, 0xff)) return "picture";
  if (begins(0, 0x50, 0x4b, 0x03, 0x04)) return "zip";
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (/^\s*\{/.test(text)) return "json";
    return text.includes("\0") ? "" : "text";
  } catch {
    return "";
  }
}

/** The files that the viewer shows: an archive's own files in its place. */
export function viewable(image: StudyImage): StudyFile[] {
  const [first] = image.files;
  if (!first || kindOf(first.bytes) !== "zip") return image.files;
  try {
    let left = MAX_INFLATED_BYTES;
    const fits = ({ originalSize }: { originalSize: number }) => (left -= originalSize) >= 0;
    const entries = Object.entries(unzipSync(first.bytes, { filter: fits }));
    return entries.map(([name, bytes]) => ({ name, bytes: new Uint8Array(bytes) }));
  } catch {
    return []; // the mesh says what is wrong with it
  }
}

/** The invented case that comes with medmesh. */
export async function sample(): Promise<CaseInput> {
  const fetched = await Promise.all(
    Object.values(SAMPLES).map(async (path) => {
      const answer = await fetch(path);
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
      return new File([await answer.arrayBuffer()], path.replace("samples/", ""));
    }),
  );
  const empty: CaseInput = { images: [], note: "", draftReport: true, bodyPart: "", problems: [] };
  return withFiles(empty, await read(fetched));
}

export function toMessage(input: CaseInput): DiagnosticCase {
  const options = create(ImageOptionsSchema, {
    bodyPart: input.bodyPart.trim().toUpperCase(),
    includeHeatMap: true,
    includeOverlay: true,
  });
  return create(DiagnosticCaseSchema, {
    images: input.images.map(({ files }) =>
      create(CaseImageSchema, {
        sources: files.map(({ bytes }) =>
          create(ImageSourceSchema, { source: { case: "content", value: bytes } }),
        ),
        options,
      }),
    ),
    note: input.note,
    ...(input.record && {
      patient: create(PatientInputSchema, { form: { case: "fhirBundle", value: input.record.bytes } }),
    }),
    ...(input.draftReport && { draftReport: create(ReportOptionsSchema) }),
  });
}
