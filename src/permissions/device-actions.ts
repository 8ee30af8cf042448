/** What may be done with devices. */

/** In an order that stays: numbers follow from it. */
export const DEVICE_ACTIONS = [
  'GetNetwork',
  'GetDevice',
  'GetDeviceNotification',
  'GetDeviceCommand',
  'RegisterDevice',
  'CreateDeviceCommand',
  'UpdateDeviceCommand',
  'CreateDeviceNotification',
  'GetCurrentUser',
  'UpdateCurrentUser',
  'ManageUser',
  'ManageConfiguration',
  'ManageNetwork',
  'ManageToken',
  'ManagePlugin',
  'GetDeviceType',
  'ManageDeviceType',
] as const;

const spellings: ReadonlyMap<string, string> = new Map(
  DEVICE_ACTIONS.map((name) => [name.toLowerCase(), name]),
);

/** @param name in whatever case @returns as the list spells it; undefined if there is no such action */
export function findDeviceAction(name: string): string | undefined {
  return spellings.get(name.toLowerCase());
}
