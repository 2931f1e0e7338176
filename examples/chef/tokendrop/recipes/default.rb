tokendrop_manifest 'deploy.yaml' do
  content <<~YAML
    tokens:
      - action: ensure
        user: ci
        name: deploy
        key: 6617e1c8-59b8-4645-a95f-b3d5b129fd6c
        digest: sha256:xXQXeduPfJU1WL/uk3V6otC1j4DpwBuDIjWK7FAx/TY=
        description: deploys what the pipeline has built
        expires_at: 2099-12-31
  YAML
end
