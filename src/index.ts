/** What the package offers to programs that embed the server. */
export { type Config, ConfigError, loadConfig } from './config/load.ts';
export { createServer, type GrantableServer, type ServerOptions } from './server.ts';
export { type System, SystemRequestRefused, type SystemToken, type SystemTokenRequest } from './system.ts';
