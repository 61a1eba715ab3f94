/**
 * The twin's gateway: hello, identify, ready, heartbeats, resume with replay, dispatch filtered by intents.
 */
import type { Server } from 'node:http';
import {
  GatewayCloseCodes,
  type GatewayDispatchPayload,
  GatewayIntentBits,
  GatewayOpcodes,
  type GatewayReadyDispatchData,
  type GatewayReceivePayload,
  type GatewaySendPayload,
} from 'discord.js';
import { type WebSocket, WebSocketServer } from 'ws';

interface Session {
  readonly id: string;
  readonly intents: number;
  readonly sent: { s: number; payload: unknown }[];
  seq: number;
  socket: WebSocket | undefined;
}

export interface GatewayTwin {
  /** Sends an event to every session, or keeps it for those whose connection is gone. */
  dispatch(name: string, data: (intents: number) => unknown): void;
  /** Closes every connection with this code; 1006 drops it without a goodbye. */
  drop(code: number): void;
  refuseConnections(status: number | undefined): void;
  /** Forgets the sessions, so that a resume is answered with "invalid session". */
  forgetSessions(): void;
  readonly heard: { readonly identified: number[]; resumed: number; connections: number };
  connected(): number;
  close(): void;
}

export interface GatewayTwinOptions {
  readonly server: Server;
  readonly token: () => string;
  readonly url: () => string;
  readonly mayReadContent: () => boolean;
  readonly ready: (sessionId: string, resumeUrl: string) => GatewayReadyDispatchData;
  readonly guild: () => unknown;
}

export function createGatewayTwin(options: GatewayTwinOptions): GatewayTwin {
  const sockets = new WebSocketServer({ noServer: true });
  let sessions: Session[] = [];
  let refusing: number | undefined;
  const heard = { identified: [] as number[], resumed: 0, connections: 0 };

  options.server.on('upgrade', (request, socket, head) => {
    heard.connections += 1;
    if (refusing !== undefined) {
      socket.end(`HTTP/1.1 ${refusing} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, greet);
  });

  function greet(socket: WebSocket): void {
    send(socket, { op: GatewayOpcodes.Hello, d: { heartbeat_interval: 41_250 }, s: null, t: null });
    socket.on('message', (raw) => hear(socket, JSON.parse(String(raw)) as GatewaySendPayload));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      for (const s of sessions) if (s.socket === socket) s.socket = undefined;
    });
  }

  function hear(socket: WebSocket, payload: GatewaySendPayload): void {
    switch (payload.op) {
      case GatewayOpcodes.Heartbeat:
        send(socket, { op: GatewayOpcodes.HeartbeatAck } as GatewayReceivePayload);
        return;
      case GatewayOpcodes.Identify: {
        const { token, intents } = payload.d;
        if (token !== options.token()) {
          socket.close(GatewayCloseCodes.AuthenticationFailed);
          return;
        }
        if (intents & GatewayIntentBits.MessageContent && !options.mayReadContent()) {
          socket.close(GatewayCloseCodes.DisallowedIntents);
          return;
        }
        heard.identified.push(intents);
        const session: Session = {
          id: `session${heard.identified.length}`,
          intents,
          sent: [],
          seq: 0,
          socket,
        };
        sessions.push(session);
        deliver(session, 'READY', options.ready(session.id, options.url()));
        deliver(session, 'GUILD_CREATE', options.guild());
        return;
      }
      case GatewayOpcodes.Resume: {
        const session = sessions.find((s) => s.id === payload.d.session_id);
        if (!session || payload.d.token !== options.token()) {
          send(socket, { op: GatewayOpcodes.InvalidSession, d: false } as GatewayReceivePayload);
          return;
        }
        heard.resumed += 1;
        session.socket = socket;
        for (const { s, payload: missed } of session.sent)
          if (s > payload.d.seq) socket.send(JSON.stringify(missed));
        deliver(session, 'RESUMED', { _trace: [] });
        return;
      }
      default:
        return;
    }
  }

  function deliver(session: Session, t: string, d: unknown): void {
    session.seq += 1;
    const payload = { op: GatewayOpcodes.Dispatch, s: session.seq, t, d };
    session.sent.push({ s: session.seq, payload });
    if (session.socket) send(session.socket, payload as unknown as GatewayDispatchPayload);
  }

  return {
    heard,
    dispatch(name, data) {
      for (const session of sessions) {
        const payload = data(session.intents);
        if (payload !== undefined) deliver(session, name, payload);
      }
    },
    drop(code) {
      for (const socket of sockets.clients) {
        if (code === 1006) socket.terminate();
        else socket.close(code);
      }
    },
    refuseConnections(status) {
      refusing = status;
    },
    forgetSessions() {
      sessions = [];
    },
    connected: () => sessions.filter((s) => s.socket !== undefined).length,
    close() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}

function send(socket: WebSocket, payload: GatewayReceivePayload): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(payload));
}
