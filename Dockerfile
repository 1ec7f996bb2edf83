# Images of rota (the default) and of the sample backend (--target backend).
# Plain instructions only: every builder since Docker 17.05 can run them.

FROM golang:1.26 AS build
WORKDIR /src
ENV CGO_ENABLED=0

# What changes seldom comes first, so that a change of ours finds the modules
# downloaded and those that take longest compiled.
COPY go.mod go.sum ./
RUN go mod download && go build -trimpath \
    github.com/hashicorp/consul/api \
    github.com/hashicorp/hcl/v2/hclparse \
    github.com/prometheus/client_golang/prometheus/promhttp

COPY . .
ARG VERSION=dev
RUN go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/ ./cmd/rota ./examples/backend

FROM scratch AS backend
LABEL org.opencontainers.image.title="rota sample backend" \
      org.opencontainers.image.source="https://github.com/rota-lb/rota" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /out/backend /backend
USER 65532:65532
EXPOSE 8081
ENTRYPOINT ["/backend"]

FROM scratch AS rota
LABEL org.opencontainers.image.title="rota" \
      org.opencontainers.image.description="A load balancer that always knows who is on duty" \
      org.opencontainers.image.source="https://github.com/rota-lb/rota" \
      org.opencontainers.image.licenses="MIT"
# For a Consul that is reached over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/rota /rota
COPY config.hcl /etc/rota/config.hcl
# Inside a container, only what is published can be reached from elsewhere.
ENV ROTA_ADMIN_ADDRESS=:9080
USER 65532:65532
EXPOSE 8080 9080
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s CMD ["/rota", "healthcheck"]
ENTRYPOINT ["/rota"]
CMD ["run", "--config", "/etc/rota/config.hcl"]
