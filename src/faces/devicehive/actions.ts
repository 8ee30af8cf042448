/** The actions of DeviceHive's `HiveAction`, by the numbers that they have in tokens. */
import { DEVICE_ACTIONS, findDeviceAction } from '../../permissions/device-access.ts';

/** The numbers before it stand for all actions and for none. */
const FIRST = 2;
const numbered: readonly string[] = DEVICE_ACTIONS;

/** What the original gives users who are not administrators. */
export const CLIENT_ACTIONS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17].map(
  (id) => numbered[id - FIRST] as string,
);

/** @returns undefined if there is no such action */
export const findActionName = (id = 0): string | undefined => numbered[id - FIRST];

/** @param name in whatever case @returns undefined if there is no such action */
export function findActionId(name: string): number | undefined {
  const spelled = findDeviceAction(name);
  return spelled === undefined ? undefined : numbered.indexOf(spelled) + FIRST;
}
