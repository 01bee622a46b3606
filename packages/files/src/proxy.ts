/** Which proxy an address is reached through, as the environment says. */
import { BlockList, isIP } from 'node:net';
import { InputError } from '@crossgate/core';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Who asks. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

/** A proxy that the environment names. */
export interface NamedProxy {
  /** Its address, without user and password. */
  readonly url: string;
  /** Its host and port, as messages name it. */
  readonly host: string;
  /** The variable that names it. */
  readonly variable: string;
  /** Whom it is asked for, decoded. */
  readonly login?: Login;
}

/** What a proxy of each scheme is reached by: names go to a SOCKS proxy unresolved, with or without the h. */
const SCHEMES: Readonly<Record<string, string>> = {
  'http:': 'http:',
  'https:': 'https:',
  'socks:': 'socks5:',
  'socks5:': 'socks5:',
  'socks5h:': 'socks5:',
};

/** The first of some variables that is set to more than blanks: lower case first, as in curl. */
function firstSet(env: Environment, names: readonly string[]): [string, string] | undefined {
  for (const name of names.flatMap((each) => [each, each.toUpperCase()])) {
    const value = env[name]?.trim();
    if (value) return [name, value];
  }
  return undefined;
}

/** @throws InputError for a variable that is no address; its value may hold a password, so it is not repeated */
function readProxy(variable: string, value: string): NamedProxy {
  const refuse = (problem: string): InputError =>
    new InputError(`${variable}: ${problem}`, {
      code: 'network.proxy',
      fix:
        'give one such as http://proxy.example:3128, with USER:PASSWORD@ before the host where it asks for them, in ' +
        'which % / ? # are written as %25 %2F %3F %23',
    });
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const address = URL.canParse(text) ? new URL(text) : undefined;
  // URLs of the web take most signs, but a quote is one that a file of variables has kept.
  const isHost = address !== undefined && /^(\[[\da-f:.]+\]|[\w.-]+)$/i.test(address.hostname);
  if (!isHost) throw refuse('is not the address of a proxy');
  const scheme = SCHEMES[address.protocol];
  if (scheme === undefined) throw refuse(`proxies of the kind ${address.protocol}// are not supported`);
  // A URL of a scheme that is not the web's has no default port, and a SOCKS proxy has 1080.
  const port = address.port || { 'http:': '80', 'https:': '443' }[scheme] || '1080';
  const proxy = { url: `${scheme}//${address.hostname}:${port}`, host: `${address.hostname}:${port}`, variable };
  if (address.username === '') return proxy;
  const login = loginOf(address);
  if (login === undefined) throw refuse('its user or password has a % without two digits behind it');
  return { ...proxy, login };
}

/** User and password of an address, decoded; undefined where they cannot be. */
export function loginOf({ username, password }: URL): Login | undefined {
  try {
    return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    return undefined;
  }
}

/** The value of `Authorization` or `Proxy-Authorization`. */
export function basic({ user, password }: Login): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** Whether an entry of NO_PROXY means an address: `*`, a host with its subdomains, also with a port, or `10.0.0.0/8`. */
function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const [, network, bits] = /^([\d.]+|[\da-f:]+)\/(\d+)$/.exec(entry) ?? [];
  if (network !== undefined) {
    const [kind, of] = [isIP(network), isIP(host)];
    if (kind === 0 || kind !== of || Number(bits) > (kind === 4 ? 32 : 128)) return false;
    const family = kind === 4 ? 'ipv4' : 'ipv6';
    const list = new BlockList();
    list.addSubnet(network, Number(bits), family);
    return list.check(host, family);
  }
  // An IPv6 address has colons of its own: its port follows brackets.
  const [, bracketed, name = entry, only] =
    /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? ([] as (string | undefined)[]);
  if (only !== undefined && only !== port) return false;
  const suffix = (bracketed ?? name).replace(/^\*?\./, '').replace(/\.$/, '');
  return host === suffix || host.endsWith(`.${suffix}`);
}

/**
 * The proxy for an address: `http_proxy` or `HTTP_PROXY`, for https `https_proxy` or `HTTPS_PROXY` before these, then
 * `all_proxy` or `ALL_PROXY`. Variables that are empty count as not set.
 * @returns undefined where none is named, and for addresses that `no_proxy` or `NO_PROXY` names
 * @throws InputError naming the variable, where its value is no address of a proxy
 */
export function proxyOf({ protocol, hostname, port }: URL, env: Environment): NamedProxy | undefined {
  const named = firstSet(env, [...(protocol === 'https:' ? ['https_proxy'] : []), 'http_proxy', 'all_proxy']);
  if (named === undefined) return undefined;
  const [, exceptions = ''] = firstSet(env, ['no_proxy']) ?? [];
  const host = hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
  const entries = exceptions
    .toLowerCase()
    .split(/[\s,;]+/)
    .filter(Boolean);
  if (entries.some((entry) => covers(entry, host, port || (protocol === 'https:' ? '443' : '80')))) return undefined;
  return readProxy(...named);
}
