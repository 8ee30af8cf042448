/** What the operations of the administration API work with, in the server and at the command line. */
import type { OperationDeps } from '../admin/operations/deps.ts';
import { createGuards } from '../admin/rights/guards.ts';
import type { Foundations } from './foundations.ts';

export function createOperationDeps<T extends Foundations & Pick<OperationDeps, 'passwordLinks'>>(
  known: T,
): T & OperationDeps {
  const { config } = known;
  return {
    ...known,
    guards: createGuards(known),
    accessTokenTtl: config.ttl.accessToken,
    hosts: config.hosts,
    registration: !config.production,
  };
}
