# A run over HTTP; docs/serving.md says how to use it.
#   docker build --tag crossgate .
#   docker run --volume ./runs:/runs:ro --volume crossgate:/state --env CROSSGATE_TOKEN --publish 8080:8080 crossgate
# Software Vulkan is inside. A GPU comes with the host's driver: --gpus all (NVIDIA), or --device /dev/dri.
FROM node:22-trixie-slim AS build
WORKDIR /src
COPY . .
RUN npm run build \
  && npx --yes pnpm@12.21.0 --filter @crossgate/train deploy --legacy --prod /app

FROM node:22-trixie-slim
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libvulkan1 mesa-vulkan-drivers \
  && rm -rf /var/lib/apt/lists/* \
  && install --directory --owner=node --group=node /state
COPY --from=build /app /app
ENV NODE_ENV=production NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility
# The user `node` of the image; clusters that refuse root want its number.
USER 1000
WORKDIR /state
VOLUME /state
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/readyz').then((r) => process.exit(r.ok ? 0 : 1))"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve", "/runs/run", "--host", "0.0.0.0", "--state", "/state/state.db"]
