// Bundles src/ into ../page, which is committed: who has no npm has the page all the same.
import { rm } from "node:fs/promises";
import { build } from "esbuild";

const out = process.argv[2] ?? "../page";
await rm(out, { recursive: true, force: true });
await build({
  entryPoints: ["src/main.ts", "src/style/main.css", "src/index.html", "src/icon.svg"],
  outdir: out,
  entryNames: "[name]",
  loader: { ".html": "copy", ".svg": "copy" },
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome120", "firefox121", "safari17"],
  charset: "utf8",
  legalComments: "linked",
  logLevel: "warning",
});
