// What check.sh runs: node check.mjs MODULES [--self-test]
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { isMetric, read, readDocuments, repository } from "./documents.mjs";
import { nameOf, rawManifests, render } from "./manifests.mjs";
import { mistakes } from "./mistakes.mjs";
import { modules, typescript, YAML } from "./modules.mjs";
import { checkTogether } from "./together.mjs";
import { Types } from "./types.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const types = new Types(typescript, modules, here);

function checkAlerts(documents, complain) {
  const { groups } = YAML.parse(read(repository, "deploy/prometheus/alerts.yaml"));
  for (const rule of groups.flatMap(({ rules }) => rules)) {
    for (const [name] of rule.expr.matchAll(/\b(?:sluice|db_client|rpc)_[a-z_]+/g)) {
      if (!isMetric(documents, name)) complain(`alerts.yaml: ${rule.alert}: ${name} is not in docs/operations.md`);
    }
  }
}

function check(root) {
  const problems = [];
  const documents = readDocuments();
  const manifests = rawManifests(root, problems);
  const folders = ["base", ...fs.readdirSync(path.join(root, "overlays")).sort().map((name) => `overlays/${name}`)];
  for (const folder of folders) {
    const secretFolder = folder === "base" ? "example-secret" : `${folder}/example-secret`;
    const objects = render(path.join(root, folder), problems);
    const secrets = render(path.join(root, secretFolder), problems);
    for (const object of objects) manifests.push({ where: `${folder} rendered: ${nameOf(object)}`, object: structuredClone(object) });
    for (const object of secrets) manifests.push({ where: `${secretFolder} rendered: ${nameOf(object)}`, object: structuredClone(object) });
    try {
      checkTogether(objects, secrets, documents, (text) => problems.push(`${folder}: ${text}`));
    } catch (failure) {
      problems.push(`${folder}: the check itself fails: ${failure.stack}`);
    }
  }
  checkAlerts(documents, (text) => problems.push(text));
  problems.push(...types.check(manifests));
  return { problems: [...new Set(problems)], count: manifests.length };
}

function selfTest(root) {
  let missed = 0;
  for (const [file, from, to, expected] of mistakes) {
    const copy = fs.mkdtempSync(path.join(os.tmpdir(), "sluice-kubernetes-"));
    try {
      fs.cpSync(root, copy, { recursive: true });
      const text = read(copy, file);
      if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
      fs.writeFileSync(path.join(copy, file), text.replace(from, () => to));
      const { problems } = check(copy);
      const found = problems.find((problem) => expected.test(problem));
      if (!found) ++missed;
      console.log(found ? `found   ${found.replaceAll(copy, "").slice(0, 180)}` : `MISSED  ${file}: ${from} -> ${to}: ${problems.join(" | ") || "nothing was said"}`);
    } finally {
      fs.rmSync(copy, { recursive: true });
    }
  }
  console.log(`${mistakes.length - missed} of ${mistakes.length} mistakes are found`);
  return missed;
}

const root = path.dirname(here);
const { problems, count } = check(root);
problems.forEach((problem) => console.error(problem));
console.log(problems.length ? `${problems.length} problems in ${count} manifests` : `${count} manifests are right`);
const missed = process.argv.includes("--self-test") && !problems.length ? selfTest(root) : 0;
process.exit(problems.length || missed ? 1 : 0);
