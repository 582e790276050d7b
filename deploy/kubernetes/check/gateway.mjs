// What must hold for the gateway: its settings, files, ports, times, and numbers of connections.
import { checkValue, isMetric, readConf, seconds } from "./documents.mjs";
import { listOf, matches, nameOf } from "./manifests.mjs";
import { checkPgBouncer } from "./pgbouncer.mjs";

const cutOffSeconds = 4; // after drain_grace, for what is cut off to hear of it

export function checkGateway(objects, { all, selected, portOf, podLabels, data }, documents, complain) {
  const gateway = all("Deployment").find((deployment) => deployment.metadata.name === "sluice");
  if (!gateway) return complain("there is no Deployment sluice");
  const pod = gateway.spec.template.spec;
  const container = pod.containers.find(({ name }) => name === "sluiced");
  if (!container) return complain("Deployment/sluice has no container sluiced");

  const given = new Map();
  for (const { name, value, valueFrom } of container.env ?? []) {
    const setting = documents.byVariable.get(name);
    if (!setting) { complain(`Deployment/sluice: no setting has the variable ${name}`); continue; }
    if (valueFrom) complain(`Deployment/sluice: ${name} from elsewhere can not be changed without a restart`);
    checkValue(setting, value, "Deployment/sluice", complain);
    given.set(setting.name, value);
  }
  const conf = data.get("Secret/sluice")?.data?.["sluice.conf"];
  if (!conf) return complain("the example Secret sluice has no sluice.conf");
  const fromFile = readConf(Buffer.from(conf, "base64").toString(), "sluice.conf", documents, complain);
  for (const [name, value] of fromFile) {
    checkValue(documents.settings.get(name), value, "sluice.conf", complain);
    if (given.has(name)) complain(`sluice.conf: ${name} counts for nothing, since its variable is set`);
  }
  const setting = (name) => given.get(name) ?? fromFile.get(name) ?? documents.settings.get(name)?.value;

  for (const name of ["listen", "admin_listen", "admin_grpc_listen"]) {
    const [, address, port] = /^(.*):(\d+)$/.exec(setting(name) ?? "") ?? [];
    if (address !== "0.0.0.0" && address !== "[::]") complain(`Deployment/sluice: ${name} is ${setting(name)}, which nobody outside of the pod reaches`);
    if (!portOf(gateway, Number(port))) complain(`Deployment/sluice: ${name} is ${setting(name)}, but there is no such containerPort`);
  }
  const probed = Number(/\d+$/.exec(setting("admin_grpc_listen") ?? "")?.[0]);
  for (const [probe, service] of [["startupProbe", "liveness"], ["livenessProbe", "liveness"], ["readinessProbe", ""]]) {
    const grpc = container[probe]?.grpc;
    if (grpc?.port !== probed || (grpc?.service ?? "") !== service) complain(`Deployment/sluice: ${probe} does not ask ${probed} for "${service}"`);
  }
  for (const name of ["tls_cert", "tls_key", "callers_file", "config_file"]) {
    if (!gateway.files.has(setting(name))) complain(`Deployment/sluice: ${name} is ${setting(name)}, which no volume has`);
  }
  try {
    const callers = JSON.parse(Buffer.from(data.get("Secret/sluice").data["callers.json"], "base64").toString()).callers;
    if (!callers.every(({ name, token_sha256: hash, permissions }) => name && /^[0-9a-f]{64}$/.test(hash) && permissions.length)) complain("callers.json: a caller is not whole");
  } catch (failure) {
    complain(`callers.json: ${failure.message}`);
  }

  const stop = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
  if (stop < 3) complain("Deployment/sluice: preStop is too short for Services to forget the pod");
  const takes = stop + seconds(setting("drain_delay")) + seconds(setting("drain_grace")) + cutOffSeconds;
  if (!(pod.terminationGracePeriodSeconds > takes)) complain(`Deployment/sluice: ${takes} s to drain do not fit terminationGracePeriodSeconds of ${pod.terminationGracePeriodSeconds}`);

  // Where its databases are, and whether it may go there.
  const urls = ["database_url", "listen_url"].filter((name) => fromFile.has(name)).map((name) => [name, new URL(fromFile.get(name))]);
  if (!fromFile.has("database_url")) complain("sluice.conf: no database_url");
  const policy = all("NetworkPolicy").find(({ spec }) => matches(spec.podSelector, podLabels(gateway)));
  for (const [name, url] of urls) {
    const mode = url.searchParams.get("sslmode");
    const service = all("Service").find(({ metadata }) => metadata.name === url.hostname);
    if (!service && mode !== "verify-full") complain(`sluice.conf: ${name} leaves the cluster with sslmode=${mode}`);
    if (mode === "verify-full" && !gateway.files.has(url.searchParams.get("sslrootcert"))) complain(`sluice.conf: sslrootcert of ${name} is in no volume`);
    let wanted = Number(url.port || 5432);
    let goes = (to) => !to || to.some(({ ipBlock }) => ipBlock);
    if (service) {
      const entry = service.spec.ports.find(({ port }) => port === wanted);
      if (!entry) { complain(`sluice.conf: ${nameOf(service)} has no port ${wanted}`); continue; }
      const [behind] = selected(service.spec.selector);
      wanted = portOf(behind, entry.targetPort ?? wanted)?.containerPort;
      goes = (to) => !to || to.some(({ podSelector, namespaceSelector }) => podSelector && !namespaceSelector && matches(podSelector, podLabels(behind)));
      const theirs = all("NetworkPolicy").find(({ spec }) => matches(spec.podSelector, podLabels(behind)));
      const admits = listOf(theirs?.spec.ingress).some(({ from, ports }) => ports?.some(({ port }) => port === wanted) && from?.some(({ podSelector }) => matches(podSelector, podLabels(gateway))));
      if (theirs && !admits) complain(`${nameOf(theirs)}: does not let gateways in to ${wanted}`);
    }
    if (!listOf(policy?.spec.egress).some(({ to, ports }) => goes(to) && ports?.some(({ port }) => port === wanted))) complain(`${nameOf(policy ?? {})}: does not let gateways out to ${wanted}, for ${name}`);
  }
  if (!listOf(policy?.spec.egress).some(({ ports }) => ports?.some(({ port, protocol }) => port === 53 && protocol === "UDP"))) complain("NetworkPolicy/sluice: no DNS");

  // How many connections there may be.
  for (const scaler of all("HorizontalPodAutoscaler")) {
    const target = scaler.spec.scaleTargetRef;
    const scaled = all("Deployment").find((d) => d.metadata.name === target.name && d.apiVersion === target.apiVersion && d.kind === target.kind);
    if (!scaled) complain(`${nameOf(scaler)}: there is no ${target.kind} ${target.name}`);
    if (scaled?.spec.replicas !== undefined) complain(`${nameOf(scaled)}: replicas, which every apply would set back, though ${nameOf(scaler)} has them`);
    if (!(scaler.spec.minReplicas >= 2 && scaler.spec.maxReplicas >= scaler.spec.minReplicas)) complain(`${nameOf(scaler)}: replicas from ${scaler.spec.minReplicas} to ${scaler.spec.maxReplicas}`);
    for (const metric of scaler.spec.metrics) {
      const name = metric.pods?.metric.name;
      if (!name || !isMetric(documents, name)) complain(`${nameOf(scaler)}: ${name} is not in docs/operations.md`);
    }
  }
  const scaler = all("HorizontalPodAutoscaler").find(({ spec }) => spec.scaleTargetRef.name === "sluice");
  if (!scaler) return complain("there is no HorizontalPodAutoscaler of sluice");
  const bound = (name) => {
    const text = scaler.metadata.annotations?.[`sluice/${name}`];
    if (text !== undefined && !/^\d+$/.test(text)) complain(`${nameOf(scaler)}: sluice/${name} is ${text}`);
    return text === undefined ? Infinity : Number(text);
  };
  if (bound("clients-max") === Infinity) complain(`${nameOf(scaler)}: no annotation sluice/clients-max`);
  const listens = urls.length === 2 && urls[0][1].hostname === urls[1][1].hostname ? 1 : 0; // at the same pooler
  const each = Number(setting("pool_size")) + listens;
  const most = scaler.spec.maxReplicas;
  const surge = gateway.spec.strategy.rollingUpdate.maxSurge;
  if (!((most + surge + 1) * each <= bound("clients-max"))) complain(`${nameOf(scaler)}: (${most} + ${surge} + 1) * ${each} connections, but the pooler takes ${bound("clients-max")}`);
  if (!(most * each <= bound("server-connections"))) complain(`${nameOf(scaler)}: ${most} * ${each} connections, but the pooler has ${bound("server-connections")} to the database`);

  const pooler = all("Deployment").find((deployment) => deployment.metadata.name === "pgbouncer");
  if (pooler) checkPgBouncer(pooler, { setting, urls, bound, data, portOf }, complain);
}
