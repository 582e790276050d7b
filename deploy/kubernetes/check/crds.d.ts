// Of custom resources only what is used here, after the Prometheus Operator's monitoring.coreos.com/v1.
import type { LabelSelector, ObjectMeta } from "kubernetes-types/meta/v1";

type Duration = `${number}${"ms" | "s" | "m" | "h"}`;

export interface ServiceMonitor {
  apiVersion: "monitoring.coreos.com/v1";
  kind: "ServiceMonitor";
  metadata: ObjectMeta;
  spec: {
    jobLabel?: string;
    targetLabels?: Array<string>;
    selector: LabelSelector;
    namespaceSelector?: { any?: boolean; matchNames?: Array<string> };
    endpoints: Array<{
      port?: string;
      targetPort?: number | string;
      path?: string;
      scheme?: "http" | "https";
      interval?: Duration;
      scrapeTimeout?: Duration;
      honorLabels?: boolean;
    }>;
  };
}
