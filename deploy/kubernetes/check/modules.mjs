// What npm has brought: check.mjs MODULES ...
import { createRequire } from "node:module";
import path from "node:path";

export const modules = path.resolve(process.argv[2]);
const require = createRequire(path.join(modules, "manifests.js"));
export const YAML = require("yaml");
export const typescript = require("typescript");
