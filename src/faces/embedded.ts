/** What a program that embeds the server calls of faces in its own process. It uses no types of other packages. */
import type { System } from './api-maker/system-contract.ts';

export {
  type System,
  SystemRequestRefused,
  type SystemToken,
  type SystemTokenRequest,
} from './api-maker/system-contract.ts';

export interface FaceCalls {
  /** API Maker's `g.sys.system`. */
  readonly system: System;
}
