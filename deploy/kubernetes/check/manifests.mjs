// Reading manifests, as they stand and as kustomize renders them.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { YAML } from "./modules.mjs";

export const listOf = (value) => (Array.isArray(value) ? value : []);

// YAML 1.1 as Kubernetes reads it (0440 is octal); a key that is there twice is an error.
export function parse(text, where, problems) {
  const objects = [];
  for (const document of YAML.parseAllDocuments(text, { version: "1.1", uniqueKeys: true })) {
    for (const found of [...document.errors, ...document.warnings]) problems.push(`${where}: ${found.message}`);
    const object = document.toJS();
    if (object === null) continue;
    objects.push(object);
  }
  return objects;
}

export function render(folder, problems) {
  try {
    const text = execFileSync(process.env.KUBECTL ?? "kubectl", ["kustomize", folder], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    return parse(text, folder, problems);
  } catch (failure) {
    problems.push(`kubectl kustomize ${folder}: ${String(failure.stderr || failure.message).trim()}`);
    return [];
  }
}

export const nameOf = (object) => `${object.kind}/${object.metadata?.name}`;

function walk(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? walk(file) : [file];
  });
}

// Each file as it stands; a patch may leave out what it does not change.
export function rawManifests(root, problems) {
  const manifests = [];
  const files = walk(root).filter((file) => file.endsWith(".yaml"));
  const roles = new Map();
  for (const file of files.filter((file) => path.basename(file) === "kustomization.yaml")) {
    const [kustomization] = parse(fs.readFileSync(file, "utf8"), path.relative(root, file), problems);
    const note = (name, role) => roles.set(path.resolve(path.dirname(file), name), role);
    listOf(kustomization?.resources).forEach((name) => note(name, "whole"));
    listOf(kustomization?.patches).forEach((patch) => patch.path && note(patch.path, "partial"));
  }
  for (const file of files.filter((file) => path.basename(file) !== "kustomization.yaml")) {
    const where = path.relative(root, file);
    const role = roles.get(path.resolve(file));
    if (!role) problems.push(`${where}: is in no kustomization.yaml`);
    for (const object of parse(fs.readFileSync(file, "utf8"), where, problems)) {
      manifests.push({ where: `${where}: ${nameOf(object)}`, object, partial: role === "partial" });
    }
  }
  return manifests;
}

export const matches = (selector, labels) => {
  const wanted = Object.entries(selector?.matchLabels ?? selector ?? {});
  return wanted.every(([key, value]) => labels?.[key] === value);
};
