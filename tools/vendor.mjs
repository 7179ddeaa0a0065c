/*
 * Re-creates static/vendor/<name>-<version>/ and VENDOR.toml from the packages that
 * package-lock.json pins: `npm ci && npm run vendor`. The output is committed, so running the
 * product needs neither Node nor npm.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = join(ROOT, "node_modules");
const VENDOR = join(ROOT, "static", "vendor");
const ICONS = (await readFile(join(ROOT, "tools", "icons.txt"), "utf8")).split(/\s+/).filter(Boolean);
const BRANDS = ["alibabacloud", "kubernetes"];

const fromPackage = (name, path) => readFile(join(MODULES, name, path));
const withoutSourceMap = (text) => text.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");

async function minified(name, path, loader) {
  const { code } = await transform(await fromPackage(name, path), { loader, minify: true });
  return code;
}

function symbolOf(svg, id) {
  const viewBox = /viewBox="([^"]+)"/.exec(svg)[1];
  const body = svg
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/<\?xml[^>]*>/g, "")
    .replace(/^[\s\S]*?<svg[^>]*>/, "")
    .replace(/<\/svg>\s*$/, "")
    .replace(/<title>.*?<\/title>/, "")
    .replace(/<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*\/>/, "")
    .replace(/>\s+</g, "><")
    .trim();
  return `<symbol id="${id}" viewBox="${viewBox}">${body}</symbol>`;
}

async function sprite() {
  const outline = await Promise.all(
    ICONS.map(async (icon) =>
      symbolOf(await fromPackage("@tabler/icons", `icons/outline/${icon}.svg`).then(String), icon)),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${outline.join("\n")}\n</svg>\n`;
}

async function brandSprite() {
  const brands = await Promise.all(
    BRANDS.map(async (icon) =>
      symbolOf(await fromPackage("simple-icons", `icons/${icon}.svg`).then(String), icon)),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${brands.join("\n")}\n</svg>\n`;
}

const PARTS = [
  {
    name: "htmx", package: "htmx.org", licence: "0BSD", licenceFile: "LICENSE",
    files: { "htmx.min.js": async () => withoutSourceMap(String(await fromPackage("htmx.org", "dist/htmx.min.js"))) },
  },
  {
    name: "uplot", package: "uplot", licence: "MIT", licenceFile: "LICENSE",
    files: {
      "uplot.esm.js": () => minified("uplot", "dist/uPlot.esm.js", "js"),
      "uplot.css": () => fromPackage("uplot", "dist/uPlot.min.css"),
    },
  },
  {
    name: "inter", package: "@fontsource-variable/inter", licence: "OFL-1.1", licenceFile: "LICENSE",
    files: { "inter-latin.woff2": () => fromPackage("@fontsource-variable/inter", "files/inter-latin-wght-normal.woff2") },
  },
  {
    name: "jetbrains-mono", package: "@fontsource-variable/jetbrains-mono", licence: "OFL-1.1", licenceFile: "LICENSE",
    files: {
      "jetbrains-mono-latin.woff2": () =>
        fromPackage("@fontsource-variable/jetbrains-mono", "files/jetbrains-mono-latin-wght-normal.woff2"),
    },
  },
  {
    name: "tabler-icons", package: "@tabler/icons", licence: "MIT", licenceFile: "LICENSE",
    files: { "sprite.svg": sprite },
  },
  {
    name: "simple-icons", package: "simple-icons", licence: "CC0-1.0", licenceFile: "LICENSE.md",
    files: { "brands.svg": brandSprite },
  },
];

async function sourceOf(packageName) {
  const manifest = JSON.parse(await fromPackage(packageName, "package.json"));
  const url = typeof manifest.repository === "string" ? manifest.repository : manifest.repository.url;
  const address = url.replace(/^git\+/, "").replace(/^ssh:\/\/git@/, "https://").replace(/\.git$/, "").replace(/^(github:)?([\w.-]+\/[\w.-]+)$/, "https://github.com/$2");
  return { version: manifest.version, source: address };
}

async function copyPart(part) {
  const { version, source } = await sourceOf(part.package);
  const folder = join(VENDOR, `${part.name}-${version}`);
  await mkdir(folder, { recursive: true });
  const files = { ...part.files, LICENSE: () => fromPackage(part.package, part.licenceFile) };
  const lines = [];
  for (const [file, make] of Object.entries(files)) {
    const body = Buffer.from(await make());
    await writeFile(join(folder, file), body);
    const digest = createHash("sha256").update(body).digest("hex");
    lines.push(`"${relative(VENDOR, join(folder, file))}" = "${digest}"`);
  }
  const toml = [
    `[${part.name}]`, `version = "${version}"`, `package = "${part.package}"`,
    `licence = "${part.licence}"`, `source = "${source}"`, "", `[${part.name}.sha256]`, ...lines, "",
  ].join("\n");
  return { toml, notice: `${part.name} ${version} (${part.licence}), ${source}` };
}

async function main() {
  await mkdir(VENDOR, { recursive: true });
  for (const entry of await readdir(VENDOR)) {
    await rm(join(VENDOR, entry), { recursive: true });
  }
  const copied = [];
  for (const part of PARTS) {
    copied.push(await copyPart(part));
  }
  await writeFile(join(VENDOR, "VENDOR.toml"), copied.map((part) => part.toml).join("\n"));
  await writeFile(join(VENDOR, "NOTICE"), `${copied.map((part) => part.notice).join("\n")}\n`);
}

await main();
