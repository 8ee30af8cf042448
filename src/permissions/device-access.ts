/**
 * What tokens for devices allow: actions, the networks and device types whose devices they may be done to, and the
 * topics of plugins. A kind of authorization detail (RFC 9396) of its own, beside tables, that narrows by the same laws.
 *
 * `{"type": DEVICE_ACCESS, "locations": ["<resource>"], "actions": ["GetDevice"], "networks": ["4"], "deviceTypes": ["*"]}`:
 * `*` alone stands for all there are and will be; a member that is left out stands for none.
 */
import { listSome } from '../errors/texts.ts';
import {
  type ParsedDetails,
  requireEntries,
  requireKnownMembers,
  requireSameResource,
} from './authorization-details.ts';
import { PermissionsError, quoteName } from './errors.ts';
import { containsExtent, type Extent, intersectExtents } from './extent.ts';
import { requireObject, requirePlainJson } from './json.ts';

export const DEVICE_ACCESS = 'devicehive';

export const DIMENSIONS = ['actions', 'networks', 'deviceTypes', 'topics'] as const;

export type Dimension = (typeof DIMENSIONS)[number];

/** What is allowed is the product: each action, on what lies within every other dimension. */
export type DeviceAccess = { readonly [D in Dimension]: Extent };

/** At rest: each a list, `['*']` for all. */
export type StoredDeviceAccess = { readonly [D in Dimension]: readonly string[] };

export type DeviceAccessDetail = {
  type: typeof DEVICE_ACCESS;
  locations: string[];
} & { [D in Dimension]?: string[] };

/** What may be done with devices, in an order that stays: numbers follow from it. */
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

const NONE: Extent = new Set();

const MAX_VALUES = 1000;
const MAX_LENGTH = 128;
/** Numbers and words; nothing that could be read as two values, or as all. */
const VALUE = /^[A-Za-z0-9_.:@/-]+$/;

function forEach<T>(of: (dimension: Dimension) => T): { readonly [D in Dimension]: T } {
  return {
    actions: of('actions'),
    networks: of('networks'),
    deviceTypes: of('deviceTypes'),
    topics: of('topics'),
  };
}

export const NO_DEVICE_ACCESS: DeviceAccess = forEach(() => NONE);
export const ALL_DEVICE_ACCESS: DeviceAccess = forEach(() => '*');

/** Whether everything that `b` allows is allowed by `a`. */
export function containsAccess(a: DeviceAccess, b: DeviceAccess): boolean {
  return DIMENSIONS.every((dimension) => containsExtent(a[dimension], b[dimension]));
}

/** What both allow. */
export function intersectAccess(a: DeviceAccess, b: DeviceAccess): DeviceAccess {
  return forEach((dimension) => intersectExtents(a[dimension], b[dimension]));
}

const isNone = (extent: Extent): boolean => extent !== '*' && extent.size === 0;

/** Whether devices are not spoken of at all: an action that is named is asked for, whatever there is to do it to. */
export function namesNoAction({ actions }: Partial<DeviceAccess>): boolean {
  return actions !== undefined && isNone(actions);
}

/** Without an action nothing can be done, and with actions nothing to nothing. */
export function allowsNothing({ actions, networks, deviceTypes, topics }: DeviceAccess): boolean {
  return isNone(actions) || [networks, deviceTypes, topics].every(isNone);
}

const toList = (extent: Extent): string[] => (extent === '*' ? ['*'] : [...extent].sort());

/** @param list `['*']`, or values none of which is `*` @throws PermissionsError malformed, too_large */
export function toExtent(list: readonly unknown[], dimension: Dimension): Extent {
  if (list.length === 1 && list[0] === '*') return '*';
  if (list.length > MAX_VALUES) {
    throw new PermissionsError('too_large', `${dimension} may have at most ${MAX_VALUES} values.`);
  }
  return new Set(list.map((value) => requireValue(value, dimension)));
}

/** Whether a text can be a value of a dimension; `*` stands for all, and is not a value. */
export const isDeviceValue = (text: string): boolean => text.length <= MAX_LENGTH && VALUE.test(text);

function requireValue(value: unknown, dimension: Dimension): string {
  if (typeof value !== 'string' || !isDeviceValue(value)) {
    throw new PermissionsError('malformed', `${dimension} must be a list of names and numbers, as text.`);
  }
  if (dimension !== 'actions') return value;
  const name = findDeviceAction(value);
  if (name === undefined) throw new PermissionsError('malformed', `There is no action ${quoteName(value)}.`);
  return name;
}

export function toStoredAccess(access: DeviceAccess): StoredDeviceAccess {
  return forEach((dimension) => toList(access[dimension]));
}

/** @throws PermissionsError malformed rather than to guess what a damaged row allows */
export function fromStoredAccess(stored: StoredDeviceAccess): DeviceAccess {
  return forEach((dimension) => toExtent(stored[dimension], dimension));
}

const MEMBERS: ReadonlySet<string> = new Set(['type', 'locations', ...DIMENSIONS]);

/**
 * Reads the details of this kind in a request. There may be one: two of them together do not form a product.
 * @param details of this type
 * @throws PermissionsError wrong_location, malformed, too_large
 */
export function parseDeviceAccess(
  details: readonly unknown[],
  resource: string | undefined,
): ParsedDetails<DeviceAccess> {
  requirePlainJson(details);
  const [entry, ...others] = details;
  if (others.length > 0) {
    throw new PermissionsError('malformed', `There may be one detail of type ${DEVICE_ACCESS}.`);
  }
  const detail = requireObject(entry, 'Each entry of authorization_details');
  requireKnownMembers(detail, MEMBERS);
  const location = Object.hasOwn(detail, 'locations')
    ? requireSameResource(requireEntries(detail, 'locations'), resource)
    : resource;
  const permissions = forEach((dimension) =>
    Object.hasOwn(detail, dimension) ? toExtent(requireEntries(detail, dimension), dimension) : NONE,
  );
  return { permissions, resource: location };
}

/** One detail, or none where nothing is allowed. The result belongs to the caller. */
export function toDeviceAccessDetails(access: DeviceAccess, resource: string): DeviceAccessDetail[] {
  const members = DIMENSIONS.filter((dimension) => !isNone(access[dimension]));
  if (members.length === 0) return [];
  const lists = members.map((dimension) => [dimension, toList(access[dimension])]);
  return [{ type: DEVICE_ACCESS, locations: [resource], ...Object.fromEntries(lists) }];
}

/** One value that is not there any more; `*` where all of them were. */
export interface DeviceRight {
  readonly dimension: Dimension;
  readonly value: string;
}

/** What `a` has and `b` lacks. */
export function missingAccess(a: DeviceAccess, b: DeviceAccess): DeviceRight[] {
  return DIMENSIONS.flatMap((dimension) => {
    const [had, left] = [a[dimension], b[dimension]];
    if (left === '*') return [];
    const lost = had === '*' ? ['*'] : [...had.difference(left)];
    return lost.map((value) => ({ dimension, value }));
  });
}

const SHOWN = 5;

/** One sentence for the client's developer, fit for `error_description`. */
export function describeMissingAccess(missing: readonly DeviceRight[]): string {
  const shown = missing.map(({ dimension, value }) => `${dimension} ${value}`);
  return `The request asks for more than is allowed: ${listSome(shown, SHOWN)}.`;
}
