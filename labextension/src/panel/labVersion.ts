// Which JupyterLab the panel is made for. Pure.

/** Major and minor version of the oldest. */
export const OLDEST = [4, 6] as const;

/** Whether an application, by name and version, is a JupyterLab older than that. */
export function isTooOld(name: string, version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return name === 'JupyterLab' && (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]));
}
