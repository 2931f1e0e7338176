unified_mode true
provides :tokendrop_manifest

property :manifest_name, String, name_property: true
property :content, String, required: [:create]
property :secret, [true, false], default: false
property :drop, String, default: lazy { node['tokendrop']['drop'] }
property :config, String, default: lazy { node['tokendrop']['config'] }
property :group, String, default: lazy { node['tokendrop']['group'] }

action :create do
  r = new_resource
  Tokendrop.manifest(self, ::File.join(r.drop, r.manifest_name), r.content, r.group, r.config, r.secret)
end

action :delete do
  file ::File.join(new_resource.drop, new_resource.manifest_name) do
    action :delete
  end
end
