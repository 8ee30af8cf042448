/** The paths for those who operate the server. */
export const OPERATIONS = { alive: '/healthz', ready: '/readyz', metrics: '/metrics' } as const;

/** Whether a machine asks it every few seconds. */
const PATHS: ReadonlySet<string> = new Set(Object.values(OPERATIONS));

export function isOperation(path: string): boolean {
  return PATHS.has(path);
}
