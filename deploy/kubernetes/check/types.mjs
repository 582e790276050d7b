// Manifests against the Kubernetes API's types, by the TypeScript compiler: as object literals, in which an unknown field is an error.
import fs from "node:fs";
import path from "node:path";

// What the API takes as a string, but not as any string.
const narrower = [
  ["api/resource.d.ts", /type Quantity = string;/, 'type Quantity = `${number}${"" | "m" | "k" | "M" | "G" | "Ki" | "Mi" | "Gi"}`;'],
  enumeration("apps/v1.d.ts", "DeploymentStrategy", "type", ["Recreate", "RollingUpdate"]),
  enumeration("autoscaling/v2.d.ts", "HPAScalingPolicy", "type", ["Pods", "Percent"]),
  enumeration("autoscaling/v2.d.ts", "MetricSpec", "type", ["ContainerResource", "External", "Object", "Pods", "Resource"]),
  enumeration("autoscaling/v2.d.ts", "MetricTarget", "type", ["Utilization", "Value", "AverageValue"]),
  enumeration("core/v1.d.ts", "Container", "imagePullPolicy", ["Always", "IfNotPresent", "Never"]),
  enumeration("core/v1.d.ts", "ContainerPort", "protocol", ["TCP", "UDP", "SCTP"]),
  enumeration("core/v1.d.ts", "PodSpec", "restartPolicy", ["Always"]),
  enumeration("core/v1.d.ts", "SeccompProfile", "type", ["RuntimeDefault", "Localhost", "Unconfined"]),
  enumeration("core/v1.d.ts", "ServicePort", "protocol", ["TCP", "UDP", "SCTP"]),
  enumeration("core/v1.d.ts", "ServiceSpec", "type", ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
  enumeration("core/v1.d.ts", "TopologySpreadConstraint", "nodeTaintsPolicy", ["Honor", "Ignore"]),
  enumeration("core/v1.d.ts", "TopologySpreadConstraint", "whenUnsatisfiable", ["DoNotSchedule", "ScheduleAnyway"]),
  enumeration("networking/v1.d.ts", "NetworkPolicyPort", "protocol", ["TCP", "UDP", "SCTP"]),
  enumeration("networking/v1.d.ts", "NetworkPolicySpec", "policyTypes", ["Ingress", "Egress"]),
  enumeration("policy/v1.d.ts", "PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy", ["IfHealthyBudget", "AlwaysAllow"]),
];

function enumeration(file, type, field, values) {
  const union = values.map((value) => `"${value}"`).join(" | ");
  const found = new RegExp(`(export interface ${type} \\{(?:(?!\\n\\}).)*?\\n    ${field}\\??: )(Array<)?string\\b`, "s");
  return [file, found, (_, before, array) => `${before}${array ?? ""}${array ? `(${union})` : `${union}`}`];
}

const modulesOf = {
  "apps/v1": "kubernetes-types/apps/v1",
  "autoscaling/v2": "kubernetes-types/autoscaling/v2",
  "monitoring.coreos.com/v1": "./crds",
  "networking.k8s.io/v1": "kubernetes-types/networking/v1",
  "policy/v1": "kubernetes-types/policy/v1",
  v1: "kubernetes-types/core/v1",
};

export class Types {
  constructor(ts, modules, here) {
    this.ts = ts;
    this.modules = modules;
    this.crds = fs.readFileSync(path.join(here, "crds.d.ts"), "utf8");
    this.parsed = new Map();
  }

  // [{where, object, partial}] -> problems
  check(manifests) {
    const { ts } = this;
    const problems = [];
    const lines = ["type Part<T> = T extends Array<infer E> ? Array<Part<E>> : T extends object ? { [K in keyof T]?: Part<T[K]> } : T;"];
    const whereOf = new Map();
    manifests.forEach(({ where, object, partial }, i) => {
      const module = modulesOf[object.apiVersion];
      if (!module || !/^[A-Z][A-Za-z]+$/.test(object.kind ?? "")) {
        problems.push(`${where}: no type for ${object.apiVersion} ${object.kind}`);
        return;
      }
      const type = `import("${module}").${object.kind}`;
      whereOf.set(`m${i}`, where);
      lines.push(`export const m${i}: ${partial ? `Part<${type}>` : type} = ${JSON.stringify(object)};`);
    });

    const main = path.join(this.modules, "manifests.ts");
    const virtual = new Map([
      [main, lines.join("\n")],
      [path.join(this.modules, "crds.d.ts"), this.crds],
    ]);
    const options = { strict: true, noEmit: true, skipLibCheck: false, module: ts.ModuleKind.CommonJS, types: [], target: ts.ScriptTarget.ES2020, lib: ["lib.es2020.d.ts"], moduleResolution: ts.ModuleResolutionKind.Node10 };
    const host = ts.createCompilerHost(options);
    const read = host.readFile;
    host.fileExists = (file) => virtual.has(file) || fs.existsSync(file);
    host.readFile = (file) => virtual.get(file) ?? this.narrowed(file, read(file));
    host.getSourceFile = (file, target) => {
      if (virtual.has(file)) return ts.createSourceFile(file, virtual.get(file), target, true);
      if (!this.parsed.has(file)) this.parsed.set(file, ts.createSourceFile(file, host.readFile(file) ?? "", target, true));
      return this.parsed.get(file);
    };
    const program = ts.createProgram([main], options, host);
    for (const found of ts.getPreEmitDiagnostics(program)) {
      const message = ts.flattenDiagnosticMessageText(found.messageText, " ").replace(/'"(.*?)"'/g, "'$1'");
      const inside = found.file?.fileName === main;
      problems.push(inside ? this.locate(found, whereOf, message) : `${found.file?.fileName ?? "types"}: ${message}`);
    }
    return problems;
  }

  narrowed(file, text) {
    if (text === undefined) return text;
    for (const [name, found, replacement] of narrower) {
      if (!file.endsWith(`/kubernetes-types/${name}`)) continue;
      if (!found.test(text)) throw new Error(`${file}: nothing to narrow by ${found}`);
      text = text.replace(found, replacement);
    }
    return text;
  }

  locate(found, whereOf, message) {
    const { ts } = this;
    let node = found.file;
    for (let inner = node; inner; ) {
      node = inner;
      inner = undefined;
      ts.forEachChild(node, (child) => {
        if (child.getStart() <= found.start && found.start < child.getEnd()) inner = child;
      });
    }
    const steps = [];
    let where = "?";
    for (; node; node = node.parent) {
      if (ts.isPropertyAssignment(node)) steps.unshift(`.${node.name.text}`);
      if (node.parent && ts.isArrayLiteralExpression(node.parent)) steps.unshift(`[${node.parent.elements.indexOf(node)}]`);
      if (ts.isVariableDeclaration(node)) where = whereOf.get(node.name.text);
    }
    return `${where}: ${steps.join("").replace(/^\./, "")}: ${message}`;
  }
}
