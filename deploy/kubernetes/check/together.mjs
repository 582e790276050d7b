// What must hold between manifests, whatever is in the pods.
import { checkGateway } from "./gateway.mjs";
import { seconds } from "./documents.mjs";
import { listOf, matches, nameOf } from "./manifests.mjs";

// Made by whoever runs it (see README.md), and so in no kustomization. Their keys:
const madeElsewhere = { "Secret/sluice-tls": ["tls.crt", "tls.key"], "ConfigMap/database-ca": ["ca.pem"] };

export function checkTogether(objects, secrets, documents, complain) {
  const all = (kind) => objects.filter((object) => object.kind === kind);
  const deployments = all("Deployment");
  const podLabels = (deployment) => deployment.spec.template.metadata?.labels;
  const selected = (selector) => deployments.filter((deployment) => matches(selector, podLabels(deployment)));
  const portsOf = (deployment) => deployment.spec.template.spec.containers.flatMap((container) => container.ports ?? []);
  const portOf = (deployment, wanted) => portsOf(deployment).find((port) => port.name === wanted || port.containerPort === wanted);
  const data = new Map(); // keys of Secrets and ConfigMaps
  for (const object of [...objects, ...secrets]) {
    if (["Secret", "ConfigMap"].includes(object.kind)) data.set(nameOf(object).replace(/^(ConfigMap\/.*)-[a-z0-9]{10}$/, "$1"), object);
  }
  const keysOf = (what) => madeElsewhere[what] ?? (data.has(what) ? Object.keys(data.get(what).data ?? {}) : undefined);

  const names = objects.map((object) => `${object.apiVersion} ${nameOf(object)}`);
  names.filter((name, i) => names.indexOf(name) !== i).forEach((name) => complain(`${name}: is there twice`));
  for (const object of objects) {
    if (!object.metadata?.name) complain(`${nameOf(object)}: no name`);
    if ("status" in object) complain(`${nameOf(object)}: has a status`);
  }

  for (const deployment of deployments) {
    const complainOf = (text) => complain(`${nameOf(deployment)}: ${text}`);
    const { template } = deployment.spec;
    const pod = template.spec;
    if (!matches(deployment.spec.selector, podLabels(deployment))) complainOf("its selector does not match its own pods");
    if (!Object.keys(deployment.spec.selector?.matchLabels ?? {}).length) complainOf("its selector selects everything");
    if (deployment.spec.strategy?.rollingUpdate?.maxUnavailable !== 0) complainOf("maxUnavailable is not 0");
    if (!(deployment.spec.minReadySeconds >= pod.terminationGracePeriodSeconds)) complainOf("minReadySeconds is less than what a pod may take to end");
    if (!(deployment.spec.progressDeadlineSeconds > deployment.spec.minReadySeconds)) complainOf("progressDeadlineSeconds is not more than minReadySeconds");
    for (const spread of pod.topologySpreadConstraints ?? []) {
      if (!matches(spread.labelSelector, podLabels(deployment))) complainOf(`spreads by ${spread.topologyKey} over others' pods`);
    }
    if (pod.automountServiceAccountToken !== false) complainOf("automountServiceAccountToken is not false");
    if (pod.enableServiceLinks !== false) complainOf("enableServiceLinks is not false: Services would put SLUICE_* variables there");
    if (pod.securityContext?.runAsNonRoot !== true) complainOf("runAsNonRoot is not true");
    if (pod.securityContext?.seccompProfile?.type !== "RuntimeDefault") complainOf("seccompProfile is not RuntimeDefault");
    if (pod.serviceAccountName && !all("ServiceAccount").some((account) => account.metadata.name === pod.serviceAccountName)) complainOf(`no ServiceAccount ${pod.serviceAccountName}`);

    const volumes = new Map(listOf(pod.volumes).map((volume) => [volume.name, volume]));
    const files = new Set();
    const used = new Set();
    for (const container of pod.containers) {
      const secured = container.securityContext;
      if (secured?.readOnlyRootFilesystem !== true) complainOf(`${container.name}: readOnlyRootFilesystem is not true`);
      if (secured?.allowPrivilegeEscalation !== false) complainOf(`${container.name}: allowPrivilegeEscalation is not false`);
      if (!secured?.capabilities?.drop?.includes("ALL")) complainOf(`${container.name}: does not drop ALL capabilities`);
      if (!container.resources?.requests?.cpu || !container.resources?.requests?.memory || !container.resources?.limits?.memory) complainOf(`${container.name}: requests or the limit of memory are missing`);
      for (const port of container.ports ?? []) {
        if (!/^[a-z0-9-]{1,15}$/.test(port.name ?? "")) complainOf(`${container.name}: port ${port.containerPort} has no name, or one of more than 15 characters`);
      }
      const twice = (container.ports ?? []).map((port) => port.containerPort).filter((port, i, list) => list.indexOf(port) !== i);
      if (twice.length) complainOf(`${container.name}: port ${twice} is there twice`);
      for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
        const action = container[probe];
        const wanted = action?.grpc?.port ?? action?.httpGet?.port ?? action?.tcpSocket?.port;
        if (action && !portOf(deployment, wanted)) complainOf(`${container.name}: ${probe} asks port ${wanted}, which it has not`);
        if (action && !(action.timeoutSeconds === undefined || action.timeoutSeconds <= action.periodSeconds)) complainOf(`${container.name}: ${probe} takes longer than its period`);
      }
      if (!container.livenessProbe || !container.readinessProbe) complainOf(`${container.name}: a probe is missing`);
      for (const mount of container.volumeMounts ?? []) {
        used.add(mount.name);
        if (mount.subPath) complainOf(`${mount.mountPath} is a subPath, which never changes while the pod runs`);
        if (mount.readOnly !== true) complainOf(`${mount.mountPath} is not readOnly`);
        const volume = volumes.get(mount.name);
        if (!volume) { complainOf(`mounts ${mount.name}, which is no volume`); continue; }
        const source = volume.secret ? `Secret/${volume.secret.secretName}` : `ConfigMap/${volume.configMap?.name?.replace(/-[a-z0-9]{10}$/, "")}`;
        const keys = keysOf(source);
        if (!keys) complainOf(`volume ${mount.name}: there is no ${source}`);
        (keys ?? []).forEach((key) => files.add(`${mount.mountPath}/${key}`));
      }
    }
    for (const name of volumes.keys()) if (!used.has(name)) complainOf(`nobody mounts the volume ${name}`);
    deployment.files = files;
  }

  for (const service of all("Service")) {
    const behind = selected(service.spec.selector);
    if (behind.length !== 1) complain(`${nameOf(service)}: selects ${behind.length} Deployments`);
    for (const port of service.spec.ports) {
      for (const deployment of behind) {
        if (!portOf(deployment, port.targetPort ?? port.port)) complain(`${nameOf(service)}: ${nameOf(deployment)} has no port ${port.targetPort ?? port.port}`);
      }
    }
  }
  for (const budget of all("PodDisruptionBudget")) {
    if (selected(budget.spec.selector).length !== 1) complain(`${nameOf(budget)}: selects ${selected(budget.spec.selector).length} Deployments`);
    if (budget.spec.maxUnavailable === 0) complain(`${nameOf(budget)}: keeps nodes from being drained`);
  }
  for (const policy of all("NetworkPolicy")) {
    const behind = selected(policy.spec.podSelector);
    if (behind.length !== 1) complain(`${nameOf(policy)}: selects ${behind.length} Deployments`);
    for (const { port } of listOf(policy.spec.ingress).flatMap((rule) => rule.ports ?? [{ port: "any" }])) {
      if (!behind.every((deployment) => portOf(deployment, port))) complain(`${nameOf(policy)}: lets in to port ${port}, which is not there`);
    }
  }
  for (const deployment of deployments) {
    const policies = all("NetworkPolicy").filter((policy) => matches(policy.spec.podSelector, podLabels(deployment)));
    if (policies.length !== 1) complain(`${nameOf(deployment)}: has ${policies.length} NetworkPolicies`);
    const open = policies.flatMap((policy) => listOf(policy.spec.ingress)).flatMap((rule) => (rule.ports ?? []).map(({ port }) => portOf(deployment, port)?.containerPort));
    for (const service of all("Service").filter((service) => matches(service.spec.selector, podLabels(deployment)))) {
      for (const port of service.spec.ports) {
        if (!open.includes(portOf(deployment, port.targetPort)?.containerPort)) complain(`${nameOf(service)}: no NetworkPolicy lets anybody in to ${port.targetPort}`);
      }
    }
    for (const container of deployment.spec.template.spec.containers) {
      const probed = container.readinessProbe?.grpc?.port;
      if (probed && open.includes(probed)) complain(`${nameOf(deployment)}: others than the kubelet reach ${probed}, which has no TLS`);
    }
  }
  for (const monitor of all("ServiceMonitor")) {
    const services = all("Service").filter((service) => matches(monitor.spec.selector, service.metadata.labels));
    if (services.length !== 1) complain(`${nameOf(monitor)}: selects ${services.length} Services, and each would be scraped`);
    for (const endpoint of monitor.spec.endpoints) {
      for (const service of services) {
        const behind = selected(service.spec.selector);
        const there = endpoint.port ? service.spec.ports.some((port) => port.name === endpoint.port) : behind.every((d) => portOf(d, endpoint.targetPort));
        if (!there) complain(`${nameOf(monitor)}: ${nameOf(service)} leads to no port ${endpoint.port ?? endpoint.targetPort}`);
      }
      if (seconds(endpoint.scrapeTimeout ?? "10s") > seconds(endpoint.interval ?? "30s")) complain(`${nameOf(monitor)}: scrapeTimeout is longer than interval`);
    }
  }

  checkGateway(objects, { all, selected, portOf, podLabels, data }, documents, complain);
}
