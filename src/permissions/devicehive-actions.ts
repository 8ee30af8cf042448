/** What DeviceHive's tokens allow: the actions of its `HiveAction`, by the numbers that they have in tokens. */

const NAMES: ReadonlyMap<number, string> = new Map([
  [2, 'GetNetwork'],
  [3, 'GetDevice'],
  [4, 'GetDeviceNotification'],
  [5, 'GetDeviceCommand'],
  [6, 'RegisterDevice'],
  [7, 'CreateDeviceCommand'],
  [8, 'UpdateDeviceCommand'],
  [9, 'CreateDeviceNotification'],
  [10, 'GetCurrentUser'],
  [11, 'UpdateCurrentUser'],
  [12, 'ManageUser'],
  [13, 'ManageConfiguration'],
  [14, 'ManageNetwork'],
  [15, 'ManageToken'],
  [16, 'ManagePlugin'],
  [17, 'GetDeviceType'],
  [18, 'ManageDeviceType'],
]);

const IDS: ReadonlyMap<string, number> = new Map(
  Array.from(NAMES, ([id, name]) => [name.toLowerCase(), id] as const),
);

/** What the original gives users who are not administrators. */
export const CLIENT_ACTIONS: readonly string[] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17].map(
  (id) => NAMES.get(id) as string,
);

/** @returns undefined if there is no such action */
export function findActionName(id: number): string | undefined {
  return NAMES.get(id);
}

/** @param name in whatever case @returns undefined if there is no such action */
export function findActionId(name: string): number | undefined {
  return IDS.get(name.toLowerCase());
}
