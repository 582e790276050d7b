// What the project's documents say of settings and metrics.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

function table(text, header) {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith(header));
  if (start < 0) throw new Error(`no table ${header}`);
  const rows = [];
  for (let i = start + 2; lines[i]?.startsWith("|"); ++i) rows.push(lines[i].split("|").slice(1, -1).map((cell) => cell.trim()));
  return rows;
}

const bare = (cell) => cell.replaceAll("`", "");
export const read = (...parts) => fs.readFileSync(path.join(...parts), "utf8");

export function readDocuments() {
  const settings = new Map();
  for (const [name, variable, value] of table(read(repository, "docs/configuration.md"), "| setting | variable |")) {
    settings.set(bare(name), { name: bare(name), variable: bare(variable), value: bare(value) });
  }
  const metrics = new Set();
  for (const [names] of table(read(repository, "docs/operations.md"), "| name | labels |")) {
    for (const [, name] of names.matchAll(/`([a-z_]+)`/g)) metrics.add(name);
  }
  return { settings, byVariable: new Map([...settings.values()].map((s) => [s.variable, s])), metrics };
}

export const isMetric = (documents, name) => documents.metrics.has(name) || documents.metrics.has(name.replace(/_(bucket|sum|count)$/, ""));

export function seconds(text) {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text ?? "");
  return found ? found[1] * { ms: 0.001, s: 1, m: 60, h: 3600 }[found[2]] : NaN;
}

export function readConf(text, where, documents, complain) {
  const values = new Map();
  text.split("\n").forEach((whole, i) => {
    const line = whole.trim().replace(/^export /, "");
    if (!line || line.startsWith("#")) return;
    const equals = line.indexOf("=");
    const key = line.slice(0, equals).trim();
    const setting = equals < 0 ? undefined : documents.settings.get(key) ?? documents.byVariable.get(key);
    if (!setting) return complain(`${where}:${i + 1}: no setting is called ${key}`);
    if (values.has(setting.name)) complain(`${where}:${i + 1}: ${setting.name} is there twice`);
    values.set(setting.name, line.slice(equals + 1).trim().replace(/ #.*/, ""));
  });
  return values;
}

export function checkValue(setting, value, where, complain) {
  if (typeof value !== "string") return;
  const like = setting.value;
  if (/^\d+$/.test(like) && !/^\d+$/.test(value)) complain(`${where}: ${setting.name} is a number, not ${value}`);
  if (!Number.isNaN(seconds(like)) && Number.isNaN(seconds(value))) complain(`${where}: ${setting.name} is a duration, not ${value}`);
  if (/^(true|false)$/.test(like) && !/^(true|false)$/.test(value)) complain(`${where}: ${setting.name} is true or false, not ${value}`);
}
