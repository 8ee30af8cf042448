/**
 * The functions of the schema `grantable`: what the claims of the request say. They read the setting `request.jwt.claims` and are
 * STABLE: an immutable one would keep the answer for the previous token in a generic plan.
 */
import type { Guard } from '../model.ts';
import { cellFunctions } from './functions/cells.ts';
import { claimFunctions } from './functions/claims.ts';
import { ROW_FUNCTIONS } from './functions/rows.ts';
import { valueFunctions } from './functions/values.ts';

/** All functions, each after those that it calls. */
export function functions(guard: Guard): string[] {
  return [
    ...valueFunctions(guard.serverVersion),
    ...claimFunctions(guard),
    ...cellFunctions(guard),
    ...ROW_FUNCTIONS,
  ];
}
