# opsagent in a container: built in one stage, run in another that holds no compiler and no sources.
# Runs as uid 10001 on a read-only file system; only /data (and a tmpfs on /tmp) is written to.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
COPY adapters ./adapters
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
RUN groupadd --gid 10001 opsagent \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin opsagent \
 && install -d -m 0700 -o 10001 -g 10001 /data \
 && ln -s /app/src/opsagent.mjs /usr/local/bin/opsagent
WORKDIR /app
# Without tsconfig.json and the lock file the bootstrap takes the build as it is.
COPY package.json LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY src/opsagent.mjs src/bootstrap.mjs ./src/
COPY src/bootstrap/stamp.mjs ./src/bootstrap/
COPY config ./config

ENV NODE_ENV=production HOME=/data OPSAGENT_DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.UI_PORT || 7860}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/opsagent.mjs", "start"]
