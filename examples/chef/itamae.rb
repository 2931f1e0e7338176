# The resource for itamae, and the same recipe.
require_relative 'tokendrop/libraries/tokendrop'

define :tokendrop_manifest, content: nil, secret: false do
  at = node['tokendrop']
  path = File.join(at['drop'], params[:name])
  Tokendrop.manifest(self, path, params[:content], at['group'], at['config'], params[:secret])
end

include_recipe 'tokendrop/recipes/default.rb'
