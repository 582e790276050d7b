// What must hold between a PgBouncer of ours and the gateways before it.
import { seconds } from "./documents.mjs";

export function checkPgBouncer(pooler, { setting, urls, bound, data, portOf }, complain) {
  const complainOf = (text) => complain(`pgbouncer.ini: ${text}`);
  const ini = {};
  let section;
  for (const line of (data.get("ConfigMap/pgbouncer")?.data?.["pgbouncer.ini"] ?? "").split("\n").map((line) => line.trim())) {
    if (!line || line.startsWith(";")) continue;
    if (/^\[.*\]$/.test(line)) { section = ini[line.slice(1, -1)] = {}; continue; }
    const [, key, value] = /^([^=\s]+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (!key || !section) complainOf(line); else section[key] = value;
  }
  const { databases = {}, pgbouncer: its = {} } = ini;
  if (its.pool_mode !== "transaction") complainOf(`pool_mode is ${its.pool_mode}`);
  if (!portOf(pooler, Number(its.listen_port))) complainOf(`there is no containerPort ${its.listen_port}`);
  for (const key of ["auth_file", "server_tls_ca_file"]) if (!pooler.files.has(its[key])) complainOf(`${key} is ${its[key]}, which no volume has`);
  const { command = [] } = pooler.spec.template.spec.containers[0];
  if (!pooler.files.has(command.at(-1))) complainOf(`the command reads ${command.at(-1)}, which no volume has`);
  if (!(urls[0]?.[1].pathname.slice(1) in databases)) complainOf(`no database ${urls[0]?.[1].pathname}`);
  if (bound("clients-max") !== Number(its.max_client_conn)) complainOf(`max_client_conn is ${its.max_client_conn}, but the autoscaler counts on ${bound("clients-max")}`);
  const servers = pooler.spec.replicas * its.default_pool_size;
  if (bound("server-connections") !== servers) complainOf(`${servers} connections to the database, but the autoscaler counts on ${bound("server-connections")}`);
  const stop = pooler.spec.template.spec.containers[0].lifecycle?.preStop?.sleep?.seconds ?? 0;
  const takes = stop + seconds(setting("connection_age_max")) + seconds(setting("call_timeout"));
  const has = pooler.spec.template.spec.terminationGracePeriodSeconds;
  if (!(has > takes)) complain(`Deployment/pgbouncer: gateways keep connections for ${takes} s, but terminationGracePeriodSeconds is ${has}`);
}
